"""Orders three things; each order keeps what it was for."""
from driver import Client, check, expect

client = Client()
expect("an order of nothing", client.post("/orders", json={}), 422)
orders = {}
for item in ["tent", "lamp", "rope"]:
    order = expect("an order", client.post("/orders", json={"item": item}), 201)
    orders[order.path()] = item
check("each order has a number of its own", len(orders) == 3, orders)
for path, item in orders.items():
    got = expect("the order", client.get(path), 200).json()
    check(f"it is the {item}", got["item"] == item, got)
check("three orders are listed", len(client.get("/orders").json()["orders"]) == 3)
