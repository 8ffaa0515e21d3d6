"""Writes down two recipes, reads and changes them."""
from driver import Client, check, expect

book = Client()
expect("no recipe", book.get("/tea"), 404)
for recipe in [{"minutes": 3}, {"minutes": 4}]:
    expect("a recipe", book.put("/tea", json=recipe), 204)
    found = expect("the recipe", book.get("/tea"), 200).json()
    check("it is what was written", found == recipe, found)
