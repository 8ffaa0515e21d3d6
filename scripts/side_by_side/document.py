"""Writes the document and its plots."""

import statistics
from dataclasses import dataclass

from benching import machine
from side_by_side import plot
from side_by_side.behaviour import INSTANCES
from side_by_side.fleet import VARIANTS
from side_by_side.throughput import CAP, SERIES

NAMES = {"plain": "stateful", "sticky": "stateful, sticky", "sticky_anew": "stateful, sticky, all users logged in anew",
         "stateless": "stateless", "stateless_writes": "stateless, one request in ten writes"}


@dataclass
class Spread:
    """A figure over all rounds."""

    middle: float
    low: float
    high: float

    def shown(self, form):
        middle, low, high = (form(value) for value in (self.middle, self.low, self.high))
        return middle if low == high else f"{middle} ({low} to {high})"


def spread(values):
    return Spread(statistics.median(values), min(values), max(values))


percent = lambda value: f"{value * 100:.0f} %"
plain = lambda value: f"{value:,.0f}"
factor = lambda value: f"{value:.2f}"
milliseconds = lambda value: f"{value:.2f} ms"
microseconds = lambda value: f"{value:.0f} us"


class Figures:
    """What was measured, by row and variant."""

    def __init__(self, rounds, plan):
        self.rounds, self.plan = rounds, plan

    def behaviour(self, row, variant):
        return spread([one["behaviour"][variant][row] for one in self.rounds])

    def load(self, series, size, value):
        return spread([one["throughput"][series][size][value] for one in self.rounds])

    def growth(self, series):
        """The throughput with the most instances over that with the fewest, round by round."""
        first, last = self.plan.sizes[0], self.plan.sizes[-1]
        entries = [one["throughput"][series] for one in self.rounds]
        return spread([entry[last]["right"] / entry[first]["right"] for entry in entries])

    def cost(self, variant, value):
        return spread([one["costs"][variant][value] for one in self.rounds])


def row(name, what, cells):
    return f"| {name} | {what} | " + " | ".join(cells) + " |"


def table(figures, code):
    """The rows of the article's table, in its order."""
    by = lambda key, form: [figures.behaviour(key, variant.key).shown(form) for variant in VARIANTS]
    grown = [figures.growth(key).shown(factor) for key in ("plain", "sticky", "stateless")]
    most = figures.plan.sizes[-1]
    # A secret takes a command of its own.
    setup = [f"{1 + one.settings.count('FUNGIBLE_SECRET')}, {len(one.settings) + len(one.options) // 2}" for one in VARIANTS]
    return [
        row("Dimension", "measured", [one.name for one in VARIANTS]),
        "|---|---|---|---|---|",
        row("Where per-client state lives", "", ["memory of one instance", "memory of one instance", "SQLite file, shared"]),
        row("Can any instance serve any request?", "wrong answers", by("wrong", percent)),
        row("Adding a new instance helps immediately?",
            f"share of the right answers that the fourth instance gives in its first second; its fair share is "
            f"{percent(1 / (INSTANCES + 1))}", by("new_right", percent)),
        row("What happens if an instance crashes?", "users who lose something", by("crash_losers", percent)),
        row("", "requests without an answer", by("crash_lost_requests", plain)),
        row("Load balancing", "busiest instance over mean: users who click equally often", by("imbalance", factor)),
        row("", "the same after a fourth instance was added", by("imbalance_grown", factor)),
        row("", "the same after a deploy", by("imbalance_deployed", factor)),
        row("", "some users click far more often", by("imbalance_unequal", factor)),
        row("Scaling out", f"right answers per second with {most} instances over those with {figures.plan.sizes[0]}", grown),
        row("Deploying a new version", "users who lose something", by("deploy_losers", percent)),
        row("", "requests without an answer", by("deploy_lost_requests", plain)),
        row("Where complexity moves", "set-up: commands, settings", setup),
        row("", "lines of Rust in the app", [str(code["stateful"]), str(code["stateful"]), str(code["stateless"])]),
    ]


def load_table(figures):
    sizes = figures.plan.sizes
    lines = ["| right answers per second | " + " | ".join(map(str, sizes)) + f" | {sizes[-1]} over {sizes[0]} |",
             "|---|" + "---|" * (len(sizes) + 1)]
    for series in SERIES:
        cells = []
        for size in sizes:
            cells.append(figures.load(series.key, size, "right").shown(plain))
        lines.append(f"| {NAMES[series.key]} | " + " | ".join(cells) + f" | {figures.growth(series.key).shown(factor)} |")
    more = (("plain", "refused", "refused (401) per second, stateful", plain),
            ("sticky", "failed", "failed (5xx) per second, stateful, sticky", plain),
            ("stateless", "failed", "failed (5xx) per second, stateless", plain),
            ("stateless", "cpus", "CPUs that all stateless instances used together", factor),
            ("stateless", "elsewhere", "CPUs that other programs of the machine used meanwhile", factor))
    for key, value, words, form in more:
        lines.append(f"| {words} | " + " | ".join(figures.load(key, size, value).shown(form) for size in sizes) + " | |")
    return lines


def cost_table(figures):
    lines = ["| one user, no other load | stateful, sticky | stateless |", "|---|---|---|"]
    for name, words in (("list", "show the list"), ("tick", "tick a task")):
        for value, what, form in ((f"{name}_ms", "response time, median", milliseconds),
                                  (f"{name}_cpu_us", "CPU of the instances", microseconds)):
            cells = [figures.cost(variant, value).shown(form) for variant in ("sticky", "stateless")]
            lines.append(f"| {words}: {what} | " + " | ".join(cells) + " |")
    return lines


def code_table(code):
    return [
        "| lines of code, without comments, empty lines and tests | stateful | stateless |",
        "|---|---|---|",
        f"| the app, in Rust | {code['stateful']} | {code['stateless']} |",
        f"| sharing a list by a link, which only one of them can do | - | {code['sharing']} |",
        f"| tables, in SQL | - | {code['sql']} |",
        f"| `apps/web`: accounts, errors, pages; shared with the shop | - | {code['web']} |",
        f"| `crates/fungible`, the toolkit: store, sessions, keys, limits, jobs | - | {code['toolkit']} |",
        f"| for comparison: a service on the toolkit with a login, a list and an add (`examples/notes.rs`) | - | {code['smallest']} |",
    ]


def plots(figures, folder):
    """Writes the plots: their names and descriptions."""
    sizes = figures.plan.sizes
    series = [(one.key, NAMES[one.key], [figures.load(one.key, size, "right") for size in sizes]) for one in SERIES]
    last = {key: plain(spreads[-1].middle) for key, _, spreads in series}
    groups = lambda rows: [(label, {one.key: figures.behaviour(key, one.key) for one in VARIANTS}) for key, label in rows]
    wanted = {
        "throughput": (f"Throughput from {sizes[0]} to {sizes[-1]} instances", plot.growth,
                       f"Right answers per second with {sizes[-1]} instances: {last['stateless']} stateless, {last['plain']} "
                       f"stateful, {last['sticky']} stateful and sticky, {last['sticky_anew']} if all users log in anew.",
                       (sizes, series)),
        "users": ("What users notice", plot.bars, "In percent, for each of the three variants.",
                  (groups([("wrong", "wrong answers"), ("crash_losers", "users who lose something when an instance crashes"),
                           ("deploy_losers", "users who lose something in a deploy"),
                           ("new_right", "a fourth instance's share of the right answers in its first second")]), percent)),
        "imbalance": ("Requests of the busiest instance over the mean", plot.bars, "1 is even, for each of the three variants.",
                      (groups([("imbalance", "users who click equally often"), ("imbalance_grown", "the same after a fourth instance was added"),
                               ("imbalance_deployed", "the same after a deploy"),
                               ("imbalance_unequal", "some users click far more often")]), factor)),
    }
    for name, (title, draw, description, arguments) in wanted.items():
        (folder / f"side-by-side-{name}.svg").write_text(draw(title, description, *arguments))
    return {name: f"![{title}. {description}](side-by-side-{name}.svg)" for name, (title, _, description, _) in wanted.items()}


def write(rounds, plan, code, folder):
    """Writes the document and its plots into a folder."""
    figures = Figures(rounds, plan)
    shown = plots(figures, folder)
    text = TEMPLATE.format(
        machine=machine(), rounds=plan.rounds, instances=INSTANCES, users=plan.users, cap=CAP,
        members=plan.members, connections=plan.connections, tasks=plan.tasks, seconds=plan.load_seconds,
        most=plan.sizes[-1], least=plan.sizes[0], requests=plain(figures.behaviour("deploy_requests", "stateless").middle),
        table="\n".join(table(figures, code)), load="\n".join(load_table(figures)), cost="\n".join(cost_table(figures)),
        code="\n".join(code_table(code)), **{f"plot_{name}": image for name, image in shown.items()})
    (folder / "STATEFUL-AND-STATELESS.md").write_text(text)


TEMPLATE = """\
# Stateful and stateless, measured side by side

Each row of the table "Stateful vs Stateless" (section 5 of the article that this project follows), measured on three variants of
the same to-do list behind `fungible run`:

| Variant | What it is |
|---|---|
| stateful | [`apps/todo-broken`](../apps/todo-broken): users, sessions and tasks are in the memory of the instance that got them. Any instance gets any request |
| stateful, sticky | the same program with `--routing sticky`: a cookie keeps each user on one instance |
| stateless | [`apps/todo`](../apps/todo): users, sessions and tasks are in a SQLite file that all instances share. Any instance gets any request |

Measured by `scripts/measure-side-by-side`, {machine}. All three variants are measured in each of {rounds} rounds. A figure is the
median of the rounds, with the lowest and the highest in brackets where they differ.

## The table

{table}

{plot_users}

How the rows were measured:

- {instances} instances and {users} users, each on a connection of its own, who send a request every 0.1 s on average: one in four adds a
  task, the others look at the list. Each user has logged in once, and has at least one task that was confirmed.
- An answer is wrong if the request was refused, or if the list is not exactly what was confirmed before. A user whose request is
  refused does not log in again.
- A user loses something if none of 30 requests after the event shows all that was confirmed to that user.
- Crash: one of {instances} instances is killed by `fungible kill` (SIGKILL) under this load. Deploy: `fungible deploy` replaces all
  instances, one after the other, under this load of about {requests} requests. A request without an answer got a 5xx, or its connection was
  closed.
- A stateful deploy loses no request, because the balancer drains each instance first. It loses the sessions and tasks of all users.
- In the stateful variant without sticky routing, two of three answers are wrong before anything happens. Sticky routing repairs that,
  and nothing else.

### Load balancing

{plot_imbalance}

1 means that all instances get equally many requests. With random routing and as few requests as here, chance alone gives up to 1.15. The users
who click unequally do so by Zipf's law: the second half as often as the first, the third a third as often, and so on. Sticky
routing gives each new user to the next instance in turn, so equally active users are spread evenly at first. An instance that is
added later gets none of them, and after a deploy they are where chance has put them.

## Throughput

{plot_throughput}

{load}

Each instance may use {cap} CPUs (`fungible run --cpus {cap}`, a control group with a quota of 10 ms in each period of 100 ms). The fleet
starts with {least} and grows to {most} instances while its users stay: {members} users with {tasks} tasks each, who load the page with
their tasks. The load grows with the fleet: {connections} connections per instance, each of which sends its next request when the answer
is there. Each number of instances is measured for {seconds} s. The balancer and the sender run on the same machine, without a limit.

- The users of the stateful variants logged in when there was one instance. What they need is in its memory, so more instances do
  not help them: without sticky routing the new instances refuse their requests, with it they get none.
- If all users log in anew after each step, which makes them lose their lists, sticky routing spreads them, and the stateful
  program scales, too. Its instances are faster, because they ask no store.
- In the last series one request in ten ticks a task, in the one SQLite file of all instances, which only one of them can write to
  at a time. A load that mainly writes is limited by the store: the checkouts of the shop in [BENCHMARKS.md](../BENCHMARKS.md) do not
  grow with the instances.

## What the stateless variant costs

Time and CPU. {instances} instances without a limit, one user who sends one request at a time. The stateless variant reads and writes
SQLite, and a tick is on the disk before it is confirmed; the stateful one changes a value in memory, and forgets it when the process
ends.

{cost}

Code. Most of the difference has other causes than statelessness: the stateful program stores passwords as they were typed, and has no limits on
logins, no tokens for API clients, no protection against CSRF and no change of the password.

{code}

Set-up. The stateful program starts by `fungible run -- APP`, with `--routing sticky` if it shall be sticky. The stateless one needs
two settings more, which must be the same for all instances: `FUNGIBLE_STORE`, the address of the store, and `FUNGIBLE_SECRET`, which
a command such as `openssl rand -base64 32` makes once. (`FUNGIBLE_COOKIES=plain` is the third here, because this measurement uses http.)
In production the store must also be backed up and monitored, and if instances run on several machines, it is a PostgreSQL server
that somebody operates. The stateful program has nothing to back up, because it keeps nothing.
"""
