"""Logs in and looks who it is, three times."""
from driver import Client, check, expect

client = Client()
expect("log-in", client.post("/login", json={"name": "ada"}), 200)
for _ in range(3):
    check("it is Ada", expect("Ada", client.get("/"), 200).json() == {"name": "ada"})
