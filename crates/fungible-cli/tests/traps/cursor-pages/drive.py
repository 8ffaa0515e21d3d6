"""Creates five events and goes through them two by two."""
import time
import urllib.parse

from driver import Client, check, expect

client = Client()
expect("an event without a name", client.post("/events", json={}), 422)
made = []
for name in ["one", "two", "three", "four", "five"]:
    made.append(expect("an event", client.post("/events", json={"name": name}), 201).json())
    time.sleep(0.003)  # ids hold milliseconds: two in one would have no order
seen, cursor = [], None
while True:
    path = "/events" + (f"?cursor={urllib.parse.quote(cursor)}" if cursor else "")
    page = expect("a page", client.get(path), 200).json()
    seen += page["data"]
    cursor = page["next"]
    if not cursor or len(seen) > 9:
        break
check("all five came, in order and whole", seen == made, seen)
