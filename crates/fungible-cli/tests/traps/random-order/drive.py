"""Adds recipes and compares what comes back as sets."""
import re

from driver import Client, check, expect

client = Client()
recipes = {
    "minestrone": ["soup", "beans", "winter", "vegan", "italian"],
    "gazpacho": ["soup", "summer", "vegan", "cold", "spanish"],
    "porridge": ["breakfast", "oats", "winter", "quick"],
    "tabbouleh": ["salad", "summer", "parsley", "cold"],
}
expect("a recipe without a name", client.post("/recipes", json={"tags": ["x"]}), 422)
for name, tags in recipes.items():
    made = expect("a recipe", client.post("/recipes", json={"name": name, "tags": tags}), 201).json()
    check("its tags are kept", set(made["tags"]) == set(tags), made)
counts = {tag["name"]: tag["recipes"] for tag in expect("the tags", client.get("/tags"), 200).json()["tags"]}
check("thirteen tags", len(counts) == 13 and counts["vegan"] == 2 and counts["oats"] == 1, counts)
page = expect("suggestions", client.get("/suggestions"), 200).text
check("all are suggested", set(re.findall(r"<li>(\w+) ", page)) == set(recipes), page)
expect("a page that is not there", client.get("/nowhere"), 404)
