"""Pays twice, each time with a key of its own, and looks at the list."""
import uuid

from driver import Client, check, expect

payer = Client()
for number, purpose in enumerate(["rent", "tea"], start=1):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    expect("a payment", payer.post("/payments", json={"sum": 10 * number, "purpose": purpose}, headers=key), 201)
    paid = expect("the payments", payer.get("/payments"), 200).json()["payments"]
    check("each is made once", len(paid) == number, paid)
