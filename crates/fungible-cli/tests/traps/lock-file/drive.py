"""Puts screws into the store, twice, and counts them."""
from driver import Client, check, expect

client = Client()
expect("a part that is not there", client.get("/parts/screw"), 404)
expect("an unknown number of parts", client.post("/parts/screw", json={}), 422)
for count, all in [(12, 12), (30, 42)]:
    expect("adding", client.post("/parts/screw", json={"count": count}), 200)
    seen = expect("the part", client.get("/parts/screw"), 200).json()
    check(f"there are {all}", seen == {"count": all}, seen)
