"""Keeps two texts and reads them again; follows only the path of an address."""
from driver import Client, check, expect

client = Client()
expect("an empty paste", client.post("/pastes", data=""), 422)
for text in ["first", "second"]:
    paste = expect("a paste", client.post("/pastes", data=text), 201)
    check("the address is complete", paste.json()["url"].startswith("http://127.0.0.1:"), paste)
    got = expect("the paste", client.get(paste.path()), 200).json()
    check("it is what was kept", got["text"] == text, got)
expect("a paste that is not there", client.get("/pastes/none"), 404)
