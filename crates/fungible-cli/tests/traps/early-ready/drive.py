"""Adds books and finds each of them. It gives the library time to start."""
import time

from driver import Client, check, expect

time.sleep(1.5)
client = Client()
for title in ["Tea", "Tides", "Ink", "Moss", "Snow", "Rope"]:
    expect("a book", client.post("/books", json={"title": title}), 201)
    found = expect("a search", client.get(f"/search/{title}"), 200).json()["books"]
    check(f"it finds {title}", found == [title], found)
