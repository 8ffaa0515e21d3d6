"""An instance is killed or frozen: rows of scripts/bench-failover."""

import asyncio
import os
import re
import signal
import statistics
import time
from collections import Counter
from pathlib import Path

from load import Outcome, Wire, read_journal, steady
from peers import HAPROXY_CHECK, Group, HAProxy, Nginx, Ours, accepts, free_port, until
from resources import INSTANCE, say

PER_SECOND = 150
STRIKES_AFTER = 2.0
FROZEN = 5.0
# So long after its end an instance is started again where nobody else does so.
STARTED_AFTER = 1.0


def listener_of(address):
    """The process that listens at an address."""
    port = int(address.rsplit(":", 1)[1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port:
            for found in Path("/proc").glob("[0-9]*/fd/*"):
                try:
                    if os.readlink(found) == f"socket:[{fields[9]}]":
                        return int(found.parts[2])
                except OSError:
                    pass
    raise ValueError(address)


def number_within(pid):
    """The number of a process as it sees itself, which differs in a namespace of its own."""
    return int(re.search(r"NSpid:.*?(\d+)\n", Path(f"/proc/{pid}/status").read_text())[1])


class Fleet:
    """A contender over three instances whose health is asked on ports of their own, so that what is sent to the other ones are
    requests."""

    def __init__(self, group, contender):
        self.group, self.journal = group, group.where / "journal"
        if contender is Ours:
            options = ["--health", "/health", "--health-port"]
            self.one = Ours(group, [*INSTANCE, "{port}", "{health-port}", str(self.journal)], *options)
            self.addresses = self.one.healthy()
            return
        self.ports = [(free_port(), free_port()) for _ in range(3)]
        self.addresses = [f"127.0.0.1:{port}" for port, _ in self.ports]
        for at in range(3):
            self.start(at)
            until("an instance accepts", lambda: accepts(self.ports[at][0]))
        if contender is Nginx:
            self.one = Nginx(group, self.addresses, read_timeout="1s")
        else:
            servers = [f"server s{at} {address} check port {self.ports[at][1]}" for at, address in enumerate(self.addresses)]
            self.one = HAProxy(group, self.addresses, check=HAPROXY_CHECK, servers=servers)

    def start(self, at):
        port, health = self.ports[at]
        self.group.start([*INSTANCE, str(port), str(health), str(self.journal)])


def strike(contender, how, seconds):
    """One run: the outcome, the notes of the instances, the number of the victim in them, when it was struck, and the last packet to it."""
    with Group() as group:
        fleet = Fleet(group, contender)
        # Connections to all of them are open before it begins.
        asyncio.run(steady(fleet.one.port, 1, PER_SECOND, Outcome(), name="warm-up-"))
        victim, port = listener_of(fleet.addresses[1]), int(fleet.addresses[1].rsplit(":", 1)[1])
        notes_as = number_within(victim)
        wire, outcome, struck = Wire(port), Outcome(), {}

        def begin():
            struck["wall"], struck["at"] = time.time(), time.monotonic()
            os.kill(victim, how)

        events = [(STRIKES_AFTER, begin)]
        if how == signal.SIGSTOP:
            events.append((STRIKES_AFTER + FROZEN, lambda: os.kill(victim, signal.SIGCONT)))
        elif contender is not Ours:
            events.append((STRIKES_AFTER + STARTED_AFTER, lambda: fleet.start(1)))
        asyncio.run(steady(fleet.one.port, seconds, PER_SECOND, outcome, events))
        wire.close()
        last = wire.last(struck["wall"], struck["wall"] + (FROZEN if how == signal.SIGSTOP else STARTED_AFTER - 0.1))
        return outcome, read_journal(fleet.journal), notes_as, struck["at"], last


def in_flight_on(victim, notes):
    """The requests that the victim had begun and not answered."""
    of = lambda what: {note.request for note in notes if note.pid == victim and note.what == what}
    return of("begins") - of("answers")


def executed_twice(notes):
    begun = Counter(note.request for note in notes if note.what == "begins" and note.request.startswith("POST"))
    return sum(count > 1 for count in begun.values())


def serves_after(notes, struck):
    """How long after it listened the instance that was started again got its first request."""
    listens = {note.pid: note.time for note in notes if note.what == "listens" and note.time > struck}
    firsts = {pid: min((note.time for note in notes if note.pid == pid and note.what == "begins"), default=None) for pid in listens}
    return next((firsts[pid] - listens[pid] for pid in listens if firsts[pid]), None)


def milliseconds(values):
    values = [value for value in values if value is not None]
    return f"{statistics.median(values) * 1000:.0f} (at most {max(values) * 1000:.0f})" if values else "-"


def kinds(outcomes):
    return ", ".join(sorted({kind for one in outcomes for kind in one.kinds})) or "-"


def total(values):
    return " + ".join(str(value) for value in values)


def kill(quick):
    """SIGKILL of one of three."""
    runs = 1 if quick else 3
    lines = [f"| SIGKILL of one of three, {runs} runs of 6 s | GET errors | of these cut after they began | POST errors | of these in flight on it | kinds | POSTs executed twice | "
             "last routed to it after, ms | its successor serves after it listens, ms | slowest, s |", "|" + "---|" * 10]
    for contender in [Ours, Nginx, HAProxy]:
        outcomes, begun, theirs, twice, lasts, serves = [], [], [], [], [], []
        for turn in range(runs):
            say(f"{contender.name}: SIGKILL, run {turn + 1} of {runs}")
            outcome, notes, victim, struck, last = strike(contender, signal.SIGKILL, 6)
            outcomes.append(outcome)
            begun.append(outcome.kinds["cut after it began"])
            held = in_flight_on(victim, notes)
            theirs.append(sum(one in held for one in outcome.failed if one.startswith("POST")))
            twice.append(executed_twice(notes))
            lasts.append(last)
            serves.append(serves_after(notes, struck))
        errors = lambda method: total(one.errors[method] for one in outcomes)
        lines.append(f"| {contender.name} | {errors('GET')} | {total(begun)} | {errors('POST')} | {total(theirs)} | {kinds(outcomes)} | {total(twice)} | "
                     f"{milliseconds(lasts)} | {milliseconds(serves)} | {max(max(one.times) for one in outcomes):.2f} |")
    return lines, ("0 GET errors save answers already begun; POST errors only for those in flight on it, none executed twice; none routed to it "
                   "after 40 ms; its successor serves within 170 ms of being ready")


def stop(quick):
    """SIGSTOP of one of three for 5 s."""
    runs = 1 if quick else 3
    lines = [f"| SIGSTOP of one of three for 5 s, {runs} runs of 9 s | GET errors | GETs over 1 s | POST errors | kinds | POSTs executed twice | last routed to it after, ms | slowest GET or POST, s |",
             "|" + "---|" * 8]
    for contender in [Ours, Nginx, HAProxy]:
        outcomes, lasts, twice = [], [], []
        for turn in range(runs):
            say(f"{contender.name}: SIGSTOP, run {turn + 1} of {runs}")
            outcome, notes, _, _, last = strike(contender, signal.SIGSTOP, 9)
            outcomes.append(outcome)
            lasts.append(last)
            twice.append(executed_twice(notes))
        errors = lambda method: total(one.errors[method] for one in outcomes)
        lines.append(f"| {contender.name} | {errors('GET')} | {total(one.slow['GET'] for one in outcomes)} | {errors('POST')} | {kinds(outcomes)} | {total(twice)} | "
                     f"{milliseconds(lasts)} | {max(max(one.times) for one in outcomes):.2f} |")
    return lines, "0 GET errors, fewer than 10 GETs over 1 s, out in under 500 ms"
