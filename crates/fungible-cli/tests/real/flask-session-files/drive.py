"""A guest fills a cart and empties it."""
from driver import Client, check, expect

browser = Client()
expect("nothing", browser.post("/cart", json={}), 422)
expect("socks", browser.post("/cart", json={"item": "socks"}), 201)
items = expect("the cart", browser.get("/cart"), 200).json()["items"]
check("the socks are in the cart", items == ["socks"], items)
items = expect("a mug", browser.post("/cart", json={"item": "mug"}), 201).json()["items"]
check("both are in the cart", items == ["socks", "mug"], items)
expect("emptying", browser.delete("/cart"), 200)
check("the cart is empty", browser.get("/cart").json()["items"] == [])
