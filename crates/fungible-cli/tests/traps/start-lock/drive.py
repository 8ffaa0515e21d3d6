"""Writes two notes and reads them."""
from driver import Client, check, expect

client = Client()
for text in ("milk", "bread"):
    expect("a note", client.post("/notes", json={"text": text}), 201)
notes = expect("the notes", client.get("/notes"), 200).json()
check("both are there", notes == ["milk", "bread"], notes)
