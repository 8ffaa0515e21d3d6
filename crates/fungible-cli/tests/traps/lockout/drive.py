"""Somebody guesses Ada's password three times; then even the right one does not help. Bob is not concerned."""
from driver import Client, check, expect

browser = Client()
expect("the form", browser.get("/"), 200)
for guess, left in [("byron", 2), ("babbage", 1), ("engine", 0)]:
    page = expect("a wrong password", browser.post("/login", form={"name": "ada", "password": guess}), 401).text
    check(f"{left} tries are left", f"Tries left: {left}<" in page, page)
expect("the right password, too late", browser.post("/login", form={"name": "ada", "password": "lovelace"}), 423)
expect("Bob", browser.post("/login", form={"name": "bob", "password": "builder"}), 200)
