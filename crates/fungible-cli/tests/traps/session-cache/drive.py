"""Logs in, looks, logs out; nobody looks whether the session is really over."""
from driver import Client, check, expect

client = Client()
expect("log-in", client.post("/login", json={"name": "ada"}), 200)
check("it is Ada", expect("Ada", client.get("/me"), 200).json() == {"name": "ada"})
expect("log-out", client.post("/logout"), 200)
