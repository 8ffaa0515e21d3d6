"""A session from its beginning to its end, in Finnish."""
from driver import Client, check, expect

client = Client()
expect("no session yet", client.get("/me"), 401)
expect("a session without a name", client.post("/session", json={}), 422)
expect("a session", client.post("/session", json={"name": "Tove", "language": "fi"}), 201)
me = expect("who am I", client.get("/me"), 200).json()
check("it is Tove", me == {"name": "Tove", "language": "fi"}, me)
text = expect("a greeting", client.get("/greeting"), 200).json()["text"]
check("it greets in Finnish", text == "Hei, Tove!", text)
expect("the end of the session", client.delete("/session"), 200)
expect("after the end", client.get("/me"), 401)
