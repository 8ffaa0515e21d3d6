"""Rolling deploys of all instances under load: a row of scripts/bench-failover."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from peers import HAPROXY_CHECK, Group, HAProxy, Nginx, Ours, accepts, fail, family, free_port, until
from resources import say

HERE = Path(__file__).resolve().parent
APP = ["node", str(HERE / "app.mjs")]
# No contender gets longer.
LONGEST = 150


def get_packages():
    if not (HERE / "node_modules/pm2").exists():
        say("npm ci")
        npm = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE, capture_output=True, text=True)
        if npm.returncode:
            fail(f"npm ci failed in {HERE}: {npm.stderr}")


class Apps:
    """Instances that somebody has to start, and to end when they get no more requests."""

    def __init__(self, group):
        self.group, self.running = group, []

    def start(self):
        port = free_port()
        process = self.group.start([*APP, str(port)])
        until("an instance accepts", lambda: accepts(port))
        return port, process

    def end(self, process):
        process.terminate()
        process.wait(20)
        self.group.all.remove(process)


class ByOurs:
    name, how = "Fungible", "`fungible deploy`"

    def __init__(self, group):
        options = ["--health", "/health", "--h2c", "--drain-limit", "1s"]
        self.one = Ours(group, [*APP, "{port}"], *options)
        self.ports = self.one.port, self.one.port

    def deploy(self):
        self.one.command("deploy", "--probation", "0s")


class ByHAProxy:
    """One instance after the other: a new one is put into the free slot, then the old one is drained."""

    name, how = "HAProxy", "runtime API"

    def __init__(self, group):
        self.apps, self.http2, self.socket = Apps(group), free_port(), group.where / "haproxy.sock"
        self.running = [self.apps.start() for _ in range(3)] + [None]
        servers = [f"server s{at} 127.0.0.1:{one[0] if one else 1} check {'' if one else 'disabled'}" for at, one in enumerate(self.running)]
        self.one = HAProxy(
            group, [], servers=servers, check=HAPROXY_CHECK.replace("inter 200ms", "inter 50ms"), binds=f"bind 127.0.0.1:{self.http2} proto h2",
            globals=f"stats socket {self.socket} level admin")
        self.ports = self.one.port, self.http2

    def tell(self, command):
        import socket
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(self.socket))
            channel.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: channel.recv(65536), b"")).decode()

    def stat(self, at, field):
        names, *lines = [line.split(",") for line in self.tell("show stat").splitlines() if line]
        return next(line[names.index(field)] for line in lines if line[:2] == ["app", f"s{at}"])

    def deploy(self):
        for _ in range(3):
            free = self.running.index(None)
            old = (free + 1) % 4
            self.running[free] = self.apps.start()
            self.tell(f"set server app/s{free} addr 127.0.0.1 port {self.running[free][0]}")
            self.tell(f"set server app/s{free} state ready")
            self.tell(f"enable health app/s{free}")
            until("the new instance is up", lambda: self.stat(free, "status") == "UP")
            self.tell(f"disable health app/s{old}")
            self.tell(f"set server app/s{old} state drain")
            # Requests have ended by then; WebSockets are ended by the instance itself.
            time.sleep(0.1)
            self.apps.end(self.running[old][1])
            self.tell(f"set server app/s{old} state maint")
            self.running[old] = None


class ByNginx:
    """All new instances are started, nginx is reloaded once, and the old ones end: the fewest reloads that are possible."""

    name, how = "nginx", "reload"

    def __init__(self, group):
        self.apps, self.http2 = Apps(group), free_port()
        self.running = [self.apps.start() for _ in range(3)]
        self.one = Nginx(group, self.addresses(), listens=f"listen 127.0.0.1:{self.http2} http2;")
        self.ports = self.one.port, self.http2

    def addresses(self):
        return [f"127.0.0.1:{port}" for port, _ in self.running]

    def deploy(self):
        old, self.running = self.running, [self.apps.start() for _ in range(3)]
        self.one.configure(self.addresses())
        before = set(family(self.one.process.pid))
        self.one.process.send_signal(signal.SIGHUP)
        until("new workers", lambda: len(set(family(self.one.process.pid)) - before) >= 2)
        # The old workers have ended their requests by then; WebSockets are ended by the instances themselves.
        time.sleep(0.2)
        for _, process in old:
            process.terminate()
        for _, process in old:
            self.apps.end(process)


class ByPM2:
    """The instances accept connections themselves: PM2 has no balancer, but the cluster module of Node."""

    name, how = "PM2", "reload"

    def __init__(self, group):
        self.ports = free_port(), free_port()
        settings = {"name": "app", "script": APP[1], "args": [str(port) for port in self.ports], "instances": 3, "exec_mode": "cluster",
                    "wait_ready": True, "listen_timeout": 10_000, "kill_timeout": 5000}
        self.file = group.where / "ecosystem.config.json"
        self.file.write_text(json.dumps({"apps": [settings]}))
        self.environment = {**os.environ, "PM2_HOME": str(group.where / "pm2"), "PM2_DISABLE_VERSION_CHECK": "true"}
        self.pm2("start", str(self.file))
        for port in self.ports:
            until("PM2's instances accept", lambda: accepts(port))

    def pm2(self, *arguments):
        command = [str(HERE / "node_modules/.bin/pm2"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            fail(f"pm2 {arguments[0]}: {done.stdout}{done.stderr}")

    def deploy(self):
        self.pm2("reload", "app")

    def close(self):
        self.pm2("kill")


def under_load(contender, count):
    """So many deploys by a contender; how many were made, in how many seconds, and what the clients saw."""
    with Group() as group:
        one = contender(group)
        try:
            output = group.where / "clients.json"
            with output.open("w") as file:
                clients = group.start(["node", str(HERE / "clients.mjs"), *map(str, one.ports)], stdout=file)
            time.sleep(2)
            began, made = time.monotonic(), 0
            while made < count and time.monotonic() - began < LONGEST:
                one.deploy()
                made += 1
                if made % 25 == 0:
                    say(f"{one.name}: {made} deploys in {time.monotonic() - began:.0f} s")
            took = time.monotonic() - began
            time.sleep(1)
            clients.terminate()
            clients.wait(20)
            return made, took, json.loads(output.read_text())
        finally:
            if hasattr(one, "close"):
                one.close()


def deploys(quick):
    """100 rolling deploys of all instances."""
    get_packages()
    count = 5 if quick else 100
    lines = [f"| {count} deploys of three instances (Node), in {LONGEST} s at most | made | s each | requests | failed on HTTP/1.1 | failed on HTTP/2 | "
             "WebSockets closed | without 1001 | not opened | kinds |", "|" + "---|" * 10]
    for contender in [ByOurs, ByHAProxy, ByNginx, ByPM2]:
        say(f"{contender.name}: {count} deploys")
        made, took, seen = under_load(contender, count)
        sockets = seen["sockets"]
        kinds = ", ".join(f"{kind}: {number}" for kind, number in seen["kinds"].items()) or "-"
        lines.append(f"| {contender.name}: {contender.how} | {made} | {took / made:.2f} | {sum(seen['requests'].values())} | {seen['failed']['h1']} | {seen['failed']['h2']} | "
                     f"{sockets['closed']} | {sockets['without1001']} | {sockets['refused']} | {kinds} |")
    return lines, "0 failed requests, 0 WebSockets closed without 1001"
