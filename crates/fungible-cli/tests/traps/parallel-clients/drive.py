"""Three people open accounts at once and pay in, each several times; then they send each other money."""
import threading

from driver import Client, check, expect

people = {}
failed = []
after = {"ann": "ben", "ben": "cleo", "cleo": "ann"}


def each(task):
    """Does the task for all three at once; a failed check in one of them ends the driver."""

    def attempt(name):
        try:
            task(name, people.setdefault(name, {"client": Client()}))
        except SystemExit:
            failed.append(name)

    threads = [threading.Thread(target=attempt, args=(name,)) for name in ("ann", "ben", "cleo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("all three could do their part", not failed, failed)


def save(name, own):
    token = expect("an account", own["client"].post("/accounts", json={"name": name}), 201).json()["token"]
    own["headers"] = {"Authorization": f"Bearer {token}"}
    for n in range(1, 5):
        balance = expect("paying in", own["client"].post("/deposits", json={"amount": 100}, headers=own["headers"]), 201).json()["balance"]
        check(f"{name} has {n} hundred", balance == 100 * n, balance)
    me = expect("the balance", own["client"].get("/me", headers=own["headers"]), 200).json()
    check("it is one's own", me == {"name": name, "balance": 400}, me)


def send(name, own):
    expect("sending", own["client"].post("/transfers", json={"to": after[name], "amount": 150}, headers=own["headers"]), 201)


def too_much(name, own):
    expect("sending too much", own["client"].post("/transfers", json={"to": after[name], "amount": 9000}, headers=own["headers"]), 409)
    me = own["client"].get("/me", headers=own["headers"]).json()
    check("in the end all have what they had", me["balance"] == 400, me)


each(save)
each(send)
each(too_much)
