"""Books three amounts and asks for the balance after each."""
from driver import Client, check, expect

client = Client()
check("the journal is empty", client.get("/entries").json() == {"entries": []})
expect("an entry without an amount", client.post("/entries", json={"account": "rent"}), 422)
balance, ids = 0, []
for amount in [700, -50, 25]:
    ids.append(expect("booking", client.post("/entries", json={"account": "rent", "amount": amount}), 201).json()["id"])
    balance += amount
    listed = [entry["id"] for entry in expect("the journal", client.get("/entries"), 200).json()["entries"]]
    check("all entries are there, in order", listed == ids, (listed, ids))
    seen = expect("the balance", client.get("/balances/rent"), 200).json()["balance"]
    check(f"the balance is {balance}", seen == balance, seen)
