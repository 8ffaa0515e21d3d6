"""Clients with a fixed rate, and what they, the instances and the wire tell: for the failures of scripts/bench-failover."""

import asyncio
import re
import socket
import struct
import threading
import time
from collections import Counter, namedtuple


class Outcome:
    """What happened to the requests of the clients."""

    def __init__(self):
        self.errors = {"GET": 0, "POST": 0}
        self.slow = {"GET": 0, "POST": 0}
        self.kinds = Counter()
        self.times = []
        self.failed = []


async def ask(port, method, path, outcome, connections):
    """One request on a kept connection, as most clients do it; 4 s at most."""
    began = time.monotonic()
    body = b"x" * 32 if method == "POST" else b""
    problem, writer, has_begun, is_kept = None, None, False, False
    try:
        async with asyncio.timeout(4):
            # Nothing is sent again here: a client that retries would hide what we look for.
            reader, writer = connections.pop() if connections else await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            head = await reader.readuntil(b"\r\n\r\n")
            has_begun = True
            length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
            await reader.readexactly(length)
            status = int(head.split()[1])
            problem = None if status == 200 else str(status)
            is_kept = b"connection: close" not in head.lower()
            if is_kept:
                connections.append((reader, writer))
    except TimeoutError:
        problem = "timeout"
    except (OSError, asyncio.IncompleteReadError, TypeError):
        problem = "cut after it began" if has_begun else "cut"
    if writer and not is_kept:
        writer.close()
    took = time.monotonic() - began
    outcome.times.append(took)
    outcome.slow[method] += took > 1
    if problem:
        outcome.errors[method] += 1
        outcome.kinds[problem] += 1
        outcome.failed.append(f"{method} {path}")


async def steady(port, seconds, per_second, outcome, events=(), name=""):
    """Requests at a fixed rate, GET and POST in turns, with ids that begin with `name`. `events`: what is done after so many seconds."""
    loop = asyncio.get_running_loop()
    for after, event in events:
        loop.call_later(after, event)
    connections, under_way, began = [], set(), time.monotonic()
    for number in range(int(seconds * per_second)):
        wait = began + number / per_second - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        method = "POST" if number % 2 else "GET"
        task = asyncio.ensure_future(ask(port, method, f"/{name}{number}", outcome, connections))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    for _, writer in connections:
        writer.close()


Note = namedtuple("Note", "time pid what request")


def read_journal(path):
    """What the instances noted, in the order of time."""
    notes = []
    for line in path.read_text().splitlines():
        time_, pid, what, request = line.split(" ", 3)
        notes.append(Note(float(time_), int(pid), what, request))
    return sorted(notes)


class Wire:
    """Watches on the loopback device what is sent to a port: requests for new connections, and data on old ones. The times are
    those of the kernel. It needs the right to do so, which root has; without it `last` is None."""

    def __init__(self, port):
        self.port, self.seen = port, []
        try:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        except PermissionError:
            self.socket = None
            return
        self.socket.bind(("lo", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        # SO_TIMESTAMPNS.
        self.socket.setsockopt(socket.SOL_SOCKET, 35, 1)
        self.socket.settimeout(0.2)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.over.is_set():
            try:
                packet, ancillary, _, _ = self.socket.recvmsg(128, 64)
            except TimeoutError:
                continue
            ip = packet[14:]
            header = (ip[0] & 15) * 4
            tcp = ip[header:]
            if ip[9] != 6 or struct.unpack("!H", tcp[2:4])[0] != self.port:
                continue
            data = struct.unpack("!H", ip[2:4])[0] - header - (tcp[12] >> 4) * 4
            if tcp[13] & 2 or data > 0:
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                self.seen.append(seconds + nanoseconds / 1e9)

    def last(self, begin, end):
        """How many seconds after `begin` (of time.time()) something was sent for the last time before `end`."""
        if self.socket is None:
            return None
        return max((at - begin for at in self.seen if begin <= at < end), default=0.0)

    def close(self):
        if self.socket:
            self.over.set()
            self.thread.join()
            self.socket.close()
