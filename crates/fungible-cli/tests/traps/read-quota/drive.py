"""Writes a temperature and reads it."""
from driver import Client, check, expect

client = Client()
expect("the write", client.put("/rome", json={"degrees": 21}), 204)
answer = expect("the read", client.get("/rome", headers={"Authorization": "Bearer of-ada"}), 200)
check("21 degrees", answer.json() == {"degrees": 21}, answer)
