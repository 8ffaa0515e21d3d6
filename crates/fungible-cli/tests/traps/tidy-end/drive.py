"""Fills a cart and looks at it."""
from driver import Client, check, expect

client = Client()
expect("the tea", client.post("/cart", json={"item": "tea"}), 201)
for _ in range(3):
    check("the tea is there", expect("the cart", client.get("/cart"), 200).json() == ["tea"])
