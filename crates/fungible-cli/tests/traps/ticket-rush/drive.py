"""Buys eight tickets one after the other, and looks whether each is still the buyer's."""
import uuid

from driver import Client, check, expect

client = Client()
me = str(uuid.uuid4())
numbers = [expect("a ticket", client.post("/tickets", json={"owner": me}), 201).json()["number"] for _ in range(8)]
for number in numbers:
    owner = expect("the ticket", client.get(f"/tickets/{number}"), 200).json()["owner"]
    check(f"ticket {number} is mine", owner == me, owner)
