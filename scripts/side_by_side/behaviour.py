"""What users notice: wrong answers, a new instance, a crash, a deploy, and how evenly the instances are used."""

import time
from collections import Counter

from side_by_side.fleet import Fleet
from side_by_side.users import Crowd

INSTANCES = 3


def share(part, whole):
    return part / whole if whole else 0.0


def verdicts(answers):
    return Counter(one.verdict for one in answers)


def imbalance(answers, names):
    """The requests of the busiest instance over the mean of all."""
    counts = Counter(one.instance for one in answers)
    return share(max(counts.values(), default=0) * len(names), sum(counts.values()))


def steady_and_grown(world, variant, label):
    """Users click, and then there is one instance more: what it does in its first second."""
    plan = world.plan
    with Fleet(world, variant, INSTANCES) as fleet, Crowd(fleet, plan.users, label) as crowd:
        names = fleet.healthy(INSTANCES)
        began = time.monotonic()
        time.sleep(plan.seconds)
        steady = crowd.answers(began)
        grown = fleet.scale(INSTANCES + 1)
        ready = time.monotonic()
        time.sleep(1)
        first_second = crowd.answers(ready, ready + 1)
    of_new = [one for one in first_second if one.instance in grown.keys() - names.keys()]
    return {
        "wrong": share(len(steady) - verdicts(steady)["right"], len(steady)),
        "imbalance": imbalance(steady, names),
        "new_right": share(verdicts(of_new)["right"], verdicts(first_second)["right"]),
        "imbalance_grown": imbalance(first_second, grown),
    }


def unequal(world, variant, label):
    """Users of whom some click far more often than others."""
    plan = world.plan
    with Fleet(world, variant, INSTANCES) as fleet, Crowd(fleet, plan.users, label, unequal=True) as crowd:
        names = fleet.healthy(INSTANCES)
        began = time.monotonic()
        time.sleep(plan.seconds)
        return {"imbalance_unequal": imbalance(crowd.answers(began), names)}


def crash(world, variant, label):
    """An instance is killed while all users click."""
    plan = world.plan
    with Fleet(world, variant, INSTANCES) as fleet:
        with Crowd(fleet, plan.users, label) as crowd:
            time.sleep(plan.seconds / 2)
            began = time.monotonic()
            fleet.command("kill", "todo-2")
            fleet.healthy(INSTANCES)
            time.sleep(plan.seconds / 2)
        lost = verdicts(crowd.answers(began))["lost"]
        return {"crash_losers": share(crowd.losers(), plan.users), "crash_lost_requests": lost}


def deploy(world, variant, label):
    """All instances are replaced, one after the other, while all users click."""
    plan = world.plan
    with Fleet(world, variant, INSTANCES) as fleet:
        with Crowd(fleet, plan.users, label) as crowd:
            time.sleep(plan.seconds / 2)
            began = time.monotonic()
            fleet.command("deploy", "--probation", f"{plan.seconds / 2}s")
            names = fleet.healthy(INSTANCES)
            ended = time.monotonic()
            time.sleep(plan.seconds)
        answers = crowd.answers(began)
        return {
            "deploy_losers": share(crowd.losers(), plan.users),
            "deploy_lost_requests": verdicts(answers)["lost"],
            "deploy_requests": len(answers),
            "imbalance_deployed": imbalance(crowd.answers(ended), names),
        }


def measured(world, variant, label):
    """All of it once."""
    figures = {}
    for part in (steady_and_grown, unequal, crash, deploy):
        figures |= part(world, variant, f"{label}-{part.__name__}")
    return figures
