"""Draws tickets for three people and calls each of them."""
from driver import Client, check, expect

client = Client()
numbers = {name: expect("a ticket", client.post("/tickets", json={"name": name}), 201).json()["number"] for name in ["ada", "bo", "cy"]}
for name, number in numbers.items():
    called = expect("a call", client.get(f"/tickets/{number}"), 200).json()["name"]
    check(f"it is {name}", called == name, called)
