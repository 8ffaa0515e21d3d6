"""One visitor signs in and fills a cart; one gets the password wrong."""
from driver import Client, check, expect

ada = Client()
expect("the shop", ada.get("/"), 200)
expect("the cart of a stranger", ada.get("/cart"), 401)
expect("signing in", ada.post("/login", json={"user": "ada", "password": "lovelace"}), 200)
cart = expect("the cart", ada.get("/cart"), 200).json()
check("the cart is empty at first", cart == {"user": "ada", "items": []}, cart)
expect("adding socks", ada.post("/cart", json={"item": "socks"}), 201)
expect("adding a mug", ada.post("/cart", json={"item": "mug"}), 201)
cart = expect("the cart", ada.get("/cart"), 200).json()
check("both are in the cart", cart["items"] == ["socks", "mug"], cart)

eve = Client()
expect("a wrong password", eve.post("/login", json={"user": "ada", "password": "byron"}), 403)
expect("the cart of somebody who is not signed in", eve.get("/cart"), 401)
