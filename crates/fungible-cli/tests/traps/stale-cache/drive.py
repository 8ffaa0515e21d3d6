"""Sets prices and reads each of them before and after a change."""
from driver import Client, check, expect

shop = Client()
expect("a new product", shop.put("/products/mug", json={"price": 900}), 200)
expect("a new product", shop.put("/products/socks", json={"price": 500}), 200)
expect("a wrong price", shop.put("/products/mug", json={"price": -1}), 422)
for price in [1000, 1100, 1250]:
    expect("the mug", shop.get("/products/mug"), 200)
    expect("a new price", shop.put("/products/mug", json={"price": price}), 200)
    mug = expect("the mug", shop.get("/products/mug"), 200).json()
    check(f"the mug costs {price}", mug["price"] == price, mug)
socks = expect("the socks", shop.get("/products/socks"), 200).json()
check("the socks cost what they did", socks["price"] == 500, socks)
check("both are listed", shop.get("/products").json()["products"] == ["mug", "socks"])
expect("a product that is not there", shop.get("/products/hat"), 404)
