"""Right answers per second at more and more instances that may each use a tenth of a CPU, and what one request costs."""

import json
import os
import random
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benching import fail
from side_by_side.fleet import PLAIN, STATELESS, STICKY, Fleet, Variant
from side_by_side.users import User

CAP = 0.1
WARM_UP = 0.3
PAGE, LIST = "/", "/api/tasks"


@dataclass(frozen=True)
class Series:
    """A fleet that grows while it serves."""

    key: str
    variant: Variant
    # Whether all users log in anew after each change of the number of instances.
    anew: bool = False
    # Of a hundred requests so many tick a task; the others show the page.
    ticks: int = 0


SERIES = (
    Series("plain", PLAIN),
    Series("sticky", STICKY),
    Series("sticky_anew", STICKY, anew=True),
    Series("stateless", STATELESS),
    Series("stateless_writes", STATELESS, ticks=10),
)


@dataclass
class Members:
    """Users that are logged in and have a list: their cookies and the ids of their tasks."""

    cookies: list
    tasks: list


def send(world, fleet, members, requests, connections, seconds=None):
    """Sends requests of (status, method, path, user, body), again and again if there is a time: what it took."""
    lines = []
    for status, method, path, user, body in requests:
        fields = [str(status), method, path, f"Cookie: {members.cookies[user]}", json.dumps(body) if body else ""]
        lines.append("\t".join(fields))
    file = world.where / "requests"
    file.write_text("\n".join(lines) + "\n")
    command = [world.sender, f"127.0.0.1:{fleet.port}", connections, file, *([seconds] if seconds else [])]
    sender = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if sender.returncode:
        fail(f"{fleet.variant.app} answered otherwise than it should: {sender.stdout}{sender.stderr}")
    return json.loads(sender.stdout)


def joined(world, fleet, label):
    """Users that have just registered and filled their lists."""

    def register(number):
        user = User(fleet.port, f"{label}-{number}")
        user.register()
        return "; ".join(f"{name}={value}" for name, value in user.cookies.items())

    count, tasks = world.plan.members, world.plan.tasks
    numbers = random.Random(label)
    with ThreadPoolExecutor(4) as several:
        cookies = list(several.map(register, range(count)))
    ids = [[uuid.UUID(int=numbers.getrandbits(128), version=4) for _ in range(tasks)] for _ in range(count)]
    members = Members(cookies, ids)
    # 201, or 200 if the balancer sent one again because its instance did not respond for a while.
    title = {"title": "Buy bread and bring it home before the shop closes"}
    puts = [(20, "PUT", f"/api/tasks/{ids[user][task]}", user, title) for task in range(tasks) for user in range(count)]
    send(world, fleet, members, puts, count)
    return members


def mixed(members, connections, shown, ticks):
    """A hundred requests for each connection: some tick a task, the others show the page or the list."""
    for turn in range(100):
        for connection in range(connections):
            user = connection % len(members.cookies)
            if (turn + connection * 7) % 100 < ticks:
                task = members.tasks[user][turn % len(members.tasks[user])]
                yield 20, "PATCH", f"/api/tasks/{task}", user, {"done": turn % 2 == 0}
            else:
                yield 200, "GET", shown, user, None


def machine_seconds():
    """CPU seconds that all programs of the machine have used, and the kernel."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def one_size(world, fleet, members, count, ticks):
    """The load on so many instances."""
    pids, connections = fleet.healthy(count).values(), world.plan.connections * count
    requests = list(mixed(members, connections, PAGE, ticks))
    send(world, fleet, members, requests, connections, WARM_UP)
    ours = lambda: sum(os.times()[:4]) + fleet.cpu([fleet.run.pid, *pids])
    before, ours_before, machine_before = fleet.cpu(pids), ours(), machine_seconds()
    took = send(world, fleet, members, requests, connections, world.plan.load_seconds)
    used, ours_used, machine_used = fleet.cpu(pids) - before, ours() - ours_before, machine_seconds() - machine_before
    return {
        "right": took["requests"] / took["seconds"],
        "refused": took["wrong"].get("401", 0) / took["seconds"],
        "failed": sum(count for status, count in took["wrong"].items() if status != "401") / took["seconds"],
        "cpus": used / took["seconds"],
        "elsewhere": max(0.0, machine_used - ours_used) / took["seconds"],
    }


def growing(world, series, members, label):
    """One entry per number of instances. Without `members` new users join the fleet."""
    figures = {}
    with Fleet(world, series.variant, world.plan.sizes[0], CAP) as fleet:
        for count in world.plan.sizes:
            fleet.scale(count)
            if series.anew or not members:
                members = joined(world, fleet, f"{label}-{count}")
            figures[count] = one_size(world, fleet, members, count, series.ticks)
    return figures


def costs(world, variant, label):
    """What one request costs where nothing else is under way: latency, and CPU of the instances."""
    figures = {}
    with Fleet(world, variant) as fleet:
        members, pids = joined(world, fleet, label), fleet.healthy(3).values()
        for name, ticks in (("list", 0), ("tick", 100)):
            before = fleet.cpu(pids)
            took = send(world, fleet, members, mixed(members, 1, LIST, ticks), 1, world.plan.load_seconds)
            figures[f"{name}_ms"] = took["p50"]
            figures[f"{name}_cpu_us"] = (fleet.cpu(pids) - before) / took["requests"] * 1e6
    return figures
