"""Writes a note, and reads it again and again, also when others have been written."""
import time

from driver import Client, check, expect

time.sleep(1)  # all that shall hear of a note have started
client = Client()
first = expect("a note", client.post("/notes", json={"text": "tea"}), 201).json()["id"]
for text in ["ink", "rope", "moss"]:
    key = expect("another note", client.post("/notes", json={"text": text}), 201).json()["id"]
    check("it is there", expect("it", client.get(f"/notes/{key}"), 200).json()["text"] == text)
    check("the first one is, too", expect("the first", client.get(f"/notes/{first}"), 200).json()["text"] == "tea")
