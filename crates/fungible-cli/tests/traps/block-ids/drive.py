"""Opens four tickets, closes one, and finds each under its number."""
from driver import Client, check, expect

client = Client()
expect("a ticket without a title", client.post("/tickets", json={}), 422)
made = []
for title in ["door jams", "lamp out", "no water", "paint"]:
    made.append(expect("a ticket", client.post("/tickets", json={"title": title}), 201))
check("each has a number of its own", len({ticket.json()["id"] for ticket in made}) == 4, made)
for ticket in made:
    got = expect("the ticket", client.get(ticket.path()), 200)
    check("it is what was opened", got.json() == ticket.json(), got)
closed = expect("closing", client.send("PATCH", made[1].path(), json={"state": "closed"}), 200).json()
check("it is closed", closed["state"] == "closed" and closed["id"] == made[1].json()["id"], closed)
states = [ticket["state"] for ticket in expect("all", client.get("/tickets"), 200).json()["tickets"]]
check("three are open", states == ["open", "closed", "open", "open"], states)
