"""Looks words up and adds some; the app is warm before it is asked."""
from driver import Client, check, expect

client = Client()

mug = expect("a word", client.send("GET", "/words/mug"), 200).json()
check("it is explained", mug["meaning"] == "a cup with a handle", mug)
expect("a word that is not there", client.send("GET", "/words/balancer"), 404)
expect("a new word", client.send("PUT", "/words/balancer", json={"meaning": "who spreads"}), 200)
expect("another meaning", client.send("PUT", "/words/mug", json={"meaning": "a face"}), 200)
for word, meaning in [("balancer", "who spreads"), ("mug", "a face"), ("sock", "a bag for a foot")]:
    seen = expect("a word", client.send("GET", f"/words/{word}"), 200).json()["meaning"]
    check(f"{word} means {meaning}", seen == meaning, seen)
