"""Members join and move; after each change it asks until the replica has it."""
import time

from driver import Client, check, expect

club = Client()


def soon(what, path, wanted):
    """Asks until the answer is this."""
    end = time.monotonic() + 5
    while True:
        answer = club.get(path)
        if answer.status == 200 and answer.json() == wanted:
            return
        check(f"{what} is there within five seconds", time.monotonic() < end, answer)
        time.sleep(0.05)


expect("a member", club.put("/members/ada", json={"town": "Oslo"}), 202)
soon("Ada", "/members/ada", {"name": "ada", "town": "Oslo"})
expect("a member", club.put("/members/bob", json={"town": "Lima"}), 202)
soon("Bob", "/members/bob", {"name": "bob", "town": "Lima"})
expect("a move", club.put("/members/ada", json={"town": "Pune"}), 202)
soon("the move", "/members", {"members": {"ada": "Pune", "bob": "Lima"}})
