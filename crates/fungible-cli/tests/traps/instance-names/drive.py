"""Writes the list and reads it, as a person and as a program."""
from driver import Client, check, expect

browser = Client()
expect("an empty item", browser.post("/", form={"text": ""}), 422)
for text in ["bread", "salt & pepper"]:
    answer = expect("an item", browser.post("/", form={"text": text}), 303)
    page = expect("the list", browser.get(answer.path()), 200).text
    check("the page says who served it", "Served by <b>" in page, page)
check("both items are there", "<li>bread</li><li>salt &amp; pepper</li>" in page, page)
listed = expect("the list as JSON", browser.get("/api/items"), 200)
check("both items are listed", listed.json()["items"] == ["bread", "salt & pepper"], listed)
check("a header names the instance", listed.headers["X-Served-By"] == listed.json()["meta"]["instance"], listed)
