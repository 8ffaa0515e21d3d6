"""The three variants, and a fleet of one of them behind `fungible run`."""

import base64
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from benching import Group, cpu_seconds, fail, free_port, until


@dataclass(frozen=True)
class Variant:
    """An app with the way in which requests are routed to its instances."""

    key: str
    name: str
    app: str
    options: tuple = ()
    # What an instance must be told, beside its port.
    settings: tuple = ()


PLAIN = Variant("plain", "stateful", "todo-broken")
STICKY = Variant("sticky", "stateful, sticky", "todo-broken", ("--routing", "sticky"))
STATELESS = Variant("stateless", "stateless", "todo", (), ("FUNGIBLE_STORE", "FUNGIBLE_SECRET", "FUNGIBLE_COOKIES"))
VARIANTS = (PLAIN, STICKY, STATELESS)


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 3
    # The users whose answers are looked at, and how long, in seconds.
    users: int = 24
    seconds: float = 2.0
    # The numbers of instances under load, how long each is measured, the users, the connections per instance, and the tasks of
    # each user.
    sizes: tuple = (1, 2, 4, 8, 10)
    load_seconds: float = 2.0
    members: int = 48
    connections: int = 24
    tasks: int = 100


QUICK = Plan(1, 9, 0.6, (1, 2, 4), 0.3, 6, 6, 5)


@dataclass(frozen=True)
class World:
    """Where everything of one run of the script is."""

    plan: Plan
    tool: Path
    sender: Path
    where: Path
    secret: str = field(default_factory=lambda: base64.b64encode(os.urandom(32)).decode())


class Fleet:
    """Instances of a variant. It ends with the block of `with`."""

    def __init__(self, world, variant, count=3, cpus=None, store="todo"):
        self.world, self.variant, self.group, self.port = world, variant, Group(), free_port()
        values = {
            "FUNGIBLE_STORE": f"sqlite:{world.where}/{store}.db",
            "FUNGIBLE_SECRET": world.secret,
            "FUNGIBLE_COOKIES": "plain",
        }
        settings = {name: values[name] for name in variant.settings}
        self.environment = {**os.environ, "RUST_LOG": "warn"}
        limits = ["--cpus", str(cpus)] if cpus else []
        self.log = world.where / f"log-{self.port}"
        command = [world.tool, "run", "-n", count, "--name", "todo", "--listen", f"127.0.0.1:{self.port}"]
        app = [world.tool, "demo-instance", variant.app]
        with open(self.log, "w") as log:
            self.run = self.group.start(
                [*command, *variant.options, *limits, "--", *app], env={**self.environment, **settings}, stderr=log)
        try:
            self.healthy(count)
        except BaseException:
            self.group.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.group.stop()

    def command(self, *words):
        """What a command prints that speaks to this fleet."""
        command = [self.world.tool, words[0], "--fleet", str(self.port), *map(str, words[1:])]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout

    def healthy(self, count):
        """Waits until so many instances are healthy and there are no others: their process ids by name."""

        def found():
            if self.run.poll() is not None:
                last = self.log.read_text().strip().splitlines()[-1:]
                fail(f"the fleet of {self.variant.app} ended: {''.join(last)}")
            instances = json.loads(self.command("status", "--json"))["instances"]
            healthy = {one["name"]: one["pid"] for one in instances if one["state"] == "healthy"}
            return healthy if len(healthy) == count == len(instances) else None

        return until(f"{count} healthy instances of {self.variant.app}", found)

    def scale(self, count):
        """Changes the number of instances and waits for it: their process ids by name."""
        self.command("scale", count)
        return self.healthy(count)

    def cpu(self, pids):
        """CPU seconds that these processes have used."""
        return sum(cpu_seconds(pid) for pid in pids)
