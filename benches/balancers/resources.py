"""What a balancer uses and how it bears odd clients and odd instances: rows of scripts/bench-failover."""

import asyncio
import json
import os
import random
import re
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from load import Outcome, read_journal, steady
from peers import FUNGIBLE, Group, HAProxy, Nginx, Ours, accepts, cpu_seconds, fail, free_port, pss, until

NOW = b"GET /now HTTP/1.1\r\nHost: bench\r\n\r\n"
INSTANCE = [sys.executable, str(Path(__file__).parent / "instance.py")]

# Time limits of 10 s, and a reset for those who exceed them.
TUNED = {
    HAProxy: {"limits": "option http-buffer-request\n  timeout client 10s\n  option nolinger"},
    Nginx: {"limits": "client_header_timeout 10s; client_body_timeout 10s; send_timeout 10s; reset_timedout_connection on; client_max_body_size 2m;"},
    # The others are its defaults.
    Ours: {"options": ["--read-limit", "10s"]},
}

# A static server as one small process.
STATIC = """
daemon off; master_process off; pid {dir}/{port}.pid; error_log /dev/null;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {dir}/t; proxy_temp_path {dir}/t; fastcgi_temp_path {dir}/t;
  uwsgi_temp_path {dir}/t; scgi_temp_path {dir}/t;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello"; }} }}
}}
"""


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def allow_files(count):
    """Raises the limits on open files, for all processes that are started later."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
        except (ValueError, PermissionError):
            fail(f"it needs {count} open files (ulimit -n), and {hard} are allowed")
    elif soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def beside(group, contender, instances=1, close_after=(), options=(), **more):
    """A contender over so many instances; their journal is `journal` in the folder of the group."""
    journal = str(group.where / "journal")
    if contender is Ours:
        options = ["--health", "/health", "--health-port", "--max-connections", "12000", *options]
        return Ours(group, [*INSTANCE, "{port}", "{health-port}", journal, *close_after], *options, count=instances)
    addresses = []
    for _ in range(instances):
        port = free_port()
        group.start([*INSTANCE, str(port), str(free_port()), journal, *close_after])
        until("an instance accepts", lambda: accepts(port))
        addresses.append(f"127.0.0.1:{port}")
    return contender(group, addresses, **more)


def exchange(connection, request):
    """Sends a request and reads its response, whose head says how long it is; returns the status."""
    connection.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            raise ConnectionError("closed")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
    while len(body) < length:
        if not (more := connection.recv(65536)):
            raise ConnectionError("closed")
        body += more
    return int(head.split()[1])


def idle(quick):
    """Memory with 10,000 connections that have sent a request and rest."""
    count = 1000 if quick else 10_000
    allow_files(20_000)
    lines = [f"| {count} idle connections, each after one GET | before, MiB | with them, MiB | per connection, KiB | of HAProxy's |",
             "|---|---|---|---|---|"]
    figures = {}
    for contender in [HAProxy, Nginx, Ours]:
        with Group() as group:
            one = beside(group, contender, instances=3, **({} if contender is Ours else {"connections": 12_000}))
            before = pss(one.pids)
            say(f"{one.name}: opening {count} connections")
            clients = []
            for _ in range(count):
                client = socket.create_connection(("127.0.0.1", one.port), 10)
                clients.append(client)
                if (status := exchange(client, NOW)) != 200:
                    fail(f"{one.name} answered {status}")
            # Whoever tidies up later than that does so too late.
            time.sleep(5)
            after = pss(one.pids)
            alive = sum(exchange(client, NOW) == 200 for client in clients[::100])
            if alive != len(clients[::100]):
                fail(f"{one.name} has closed idle connections, so the figures mean nothing")
            for client in clients:
                client.close()
            figures[one.name] = (before, after)
    for name, (before, after) in reversed(figures.items()):
        lines.append(f"| {name} | {before:.1f} | {after:.1f} | {(after - before) * 1024 / count:.1f} | {after / figures['HAProxy'][1]:.2f} |")
    return lines, "at most 1.5 of HAProxy's"


def many(quick):
    """What a supervisor uses while 1,000 instances do nothing."""
    count, seconds = (100, 5) if quick else (1000, 20)
    allow_files(20_000)
    with Group() as group:
        starter = group.where / "static"
        (group.where / "template").write_text(STATIC.replace("{dir}", str(group.where)).replace("{{", "{").replace("}}", "}"))
        starter.write_text(f"#!/bin/sh\ncd {group.where}\nsed s/{{port}}/$1/g template > $1.conf\n"
                           f"exec nginx -c {group.where}/$1.conf -p {group.where}\n")
        starter.chmod(0o755)
        say(f"starting {count} instances")
        began = time.monotonic()
        ours = Ours(group, [str(starter), "{port}"], "--start-limit", "5m", count=count, seconds=300)
        ready = time.monotonic() - began
        say(f"all are ready after {ready:.0f} s; measuring for {seconds} s")
        time.sleep(2)
        before, since = cpu_seconds(ours.process.pid), time.monotonic()
        time.sleep(seconds)
        share = (cpu_seconds(ours.process.pid) - before) / (time.monotonic() - since)
        return [f"| {count} instances of a static server (nginx, one process each) | all ready after, s | CPU of the supervisor in {seconds} s, % of a core | its memory, MiB |",
                "|---|---|---|---|", f"| Fungible | {ready:.0f} | {share * 100:.1f} | {pss(ours.pids):.0f} |"], "under 3 % of a core"


def post(quick):
    """POSTs to an instance that closes connections some time after an answer, sent at about that moment."""
    count = 20 if quick else 60
    lines = [f"| {count} POSTs to an instance that closes its idle connection | failed, 5 ms after an answer | failed, 300 ms after an answer |", "|---|---|---|"]
    for contender in [Ours, Nginx, HAProxy]:
        failed = []
        for close_after in [5, 300]:
            with Group() as group:
                one = beside(group, contender, close_after=[str(close_after)])
                say(f"{one.name}: {count} POSTs, {close_after} ms")
                failed.append(posts(one.port, count, close_after / 1000))
        lines.append(f"| {one.name} | {failed[0]} | {failed[1]} |")
    lines += ["", "Each POST is sent between 1 ms before and 1 ms after the moment at which the instance closes."]
    return lines, "0 failed"


def posts(port, count, close_after):
    """How many of so many POSTs failed, of which each is sent from 1 ms before the instance closes to 1 ms after it."""
    failed = 0
    client = socket.create_connection(("127.0.0.1", port), 5)
    for number in range(count):
        try:
            failed += exchange(client, b"POST /%d HTTP/1.1\r\nHost: bench\r\nContent-Length: 2\r\n\r\nhi" % number) != 200
        except ConnectionError:
            # HAProxy says in this way that it does not know whether the request was executed.
            failed += 1
            client.close()
            client = socket.create_connection(("127.0.0.1", port), 5)
        end = time.perf_counter() + close_after + (2 * number / count - 1) / 1000
        time.sleep(max(0, close_after - 0.003))
        # To the microsecond, which sleeping is not.
        while time.perf_counter() < end:
            pass
    client.close()
    return failed


class Attack(threading.Thread):
    """Runs slowhttptest in one of its modes for so many seconds, and looks when its last connection has ended at the other side:
    slowhttptest itself reads slowly what it already has, and so notices the end of a connection late."""

    MODES = {"headers": ["-H", "-i", "2"], "bodies": ["-B", "-i", "2", "-s", "8192"],
             "readers": ["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"]}

    def __init__(self, group, port, mode, count, seconds):
        super().__init__()
        path = "/large" if mode == "readers" else "/"
        self.port, self.count, self.began = port, count, time.monotonic()
        self.end, self.own, self.result = self.began + seconds, set(), None
        self.process = group.start(["slowhttptest", *self.MODES[mode], "-c", str(count), "-r", str(count), "-l", str(seconds),
                                    "-u", f"http://127.0.0.1:{port}{path}"])
        self.start()

    def run(self):
        while self.result is None:
            time.sleep(0.25)
            took, still = time.monotonic() - self.began, self.open()
            if len(self.own) >= self.count and still == 0:
                self.result = f"{took:.0f} s"
            elif time.monotonic() > self.end:
                self.result = f"{still} open after {took:.0f} s"

    def open(self):
        """How many of its connections the other side has not ended."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        port = lambda address: int(address.split(":")[1], 16)
        if len(self.own) < self.count:
            inodes = self.inodes()
            self.own |= {port(row[1]) for row in rows if port(row[2]) == self.port and row[9] in inodes}
        # All states but TIME_WAIT, CLOSE, LISTEN and NEW_SYN_RECV.
        return sum(port(row[1]) == self.port and port(row[2]) in self.own and row[3] not in ("06", "07", "0A", "0C") for row in rows)

    def inodes(self):
        found = set()
        for file in Path(f"/proc/{self.process.pid}/fd").glob("*"):
            try:
                found |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(file)))
            except OSError:
                pass
        return found


def slow(quick):
    """100 clients each that send heads, send bodies and read responses slowly, beside others at 150 requests/s."""
    count, seconds = 100, 15
    allow_files(20_000)
    lines = [f"| {count} slow clients of each kind at once | all heads closed after | all bodies | all readers | errors of others | their slowest, s |", "|" + "---|" * 6]
    memory = ["| Memory with 1,000 slow clients | before, MiB | 1,000 bodies (200 KiB of 1 MiB sent), MiB | 1,000 responses (1 MiB, nothing read), MiB |", "|" + "---|" * 4]
    for contender in [Ours, Nginx, HAProxy]:
        with Group() as group:
            one = beside(group, contender, instances=3, **TUNED[contender])
            say(f"{one.name}: slow clients for {seconds} s")
            attacks = [Attack(group, one.port, mode, count, seconds) for mode in Attack.MODES]
            others = Outcome()
            asyncio.run(steady(one.port, seconds + 1, 150, others))
            for attack in attacks:
                attack.join()
            errors = sum(others.errors.values())
            lines.append(f"| {one.name} | {' | '.join(attack.result for attack in attacks)} | {errors} | {max(others.times):.2f} |")
        with Group() as group:
            one = beside(group, contender, instances=3, **TUNED[contender])
            memory.append(f"| {one.name} | {' | '.join(f'{figure:.0f}' for figure in slow_memory(one, 100 if quick else 1000))} |")
    return [*lines, "", *memory], "all closed within 12 s, other clients unharmed; memory bounded"


def slow_memory(one, count):
    """The memory before, and the most in some seconds with so many clients that send a part of a body, and that read nothing of a
    response."""
    figures = [pss(one.pids)]
    head = b"POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: 1048576\r\n\r\n"
    for request in [head + b"x" * 200 * 1024, b"GET /large HTTP/1.1\r\nHost: bench\r\n\r\n"]:
        say(f"{one.name}: memory with {count} slow clients")
        clients = []
        for _ in range(count):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(10)
            client.connect(("127.0.0.1", one.port))
            client.sendall(request)
            clients.append(client)
        most = 0
        for _ in range(10):
            time.sleep(0.5)
            most = max(most, pss(one.pids))
        figures.append(most)
        for client in clients:
            client.close()
        time.sleep(1)
    return figures


def scale(quick):
    """From more load than one instance is to have to the first request on another one."""
    runs = 1 if quick else 3
    whole, starts = [], []
    for turn in range(runs):
        with Group() as group:
            journal = group.where / "journal"
            options = ["--min", "1", "--max", "3", "--target-in-flight", "1", "--health", "/health", "--health-port"]
            one = Ours(group, [*INSTANCE, "{port}", "{health-port}", str(journal)], *options, count=1)
            say(f"run {turn + 1} of {runs}")
            began = time.monotonic()
            asyncio.run(steady(one.port, 6, 150, Outcome()))
            notes = read_journal(journal)
            first = next(note.pid for note in notes if note.what == "begins")
            other = next((note for note in notes if note.what == "begins" and note.pid != first), None)
            if other is None:
                fail("no other instance got a request within 6 s")
            whole.append(other.time - began)
            at = {note.what: note.time for note in notes if note.pid == other.pid and note.what in ("starts", "listens")}
            starts.append(at["listens"] - at["starts"])
    return [f"| `--min 1 --max 3 --target-in-flight 1`, 150 requests/s of 20 ms, median of {runs} | until another instance serves, s | of these its own start, s | without it, s |",
            "|---|---|---|---|",
            f"| Fungible | {statistics.median(whole):.2f} | {statistics.median(starts):.2f} | {statistics.median(w - s for w, s in zip(whole, starts)):.2f} |",
            ], "under 3 s and its start"
