"""Looks words up and adds some; a 503 is tried again, as its Retry-After asks (only sooner)."""
import time

from driver import Client, check, expect

client = Client()


def patiently(method, path, **more):
    until = time.monotonic() + 15
    while (answer := client.send(method, path, **more)).status == 503 and time.monotonic() < until:
        time.sleep(0.05)
    return answer


mug = expect("a word", patiently("GET", "/words/mug"), 200).json()
check("it is explained", mug["meaning"] == "a cup with a handle", mug)
expect("a word that is not there", patiently("GET", "/words/balancer"), 404)
expect("a new word", patiently("PUT", "/words/balancer", json={"meaning": "who spreads"}), 200)
expect("another meaning", patiently("PUT", "/words/mug", json={"meaning": "a face"}), 200)
for word, meaning in [("balancer", "who spreads"), ("mug", "a face"), ("sock", "a bag for a foot")]:
    seen = expect("a word", patiently("GET", f"/words/{word}"), 200).json()["meaning"]
    check(f"{word} means {meaning}", seen == meaning, seen)
