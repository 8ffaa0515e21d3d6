"""Puts a thing into the cart, and looks at it."""
from driver import Client, expect

buyer = Client()
expect("a thing", buyer.put("/cart/tea"), 204)
expect("the cart", buyer.get("/cart"), 200)
