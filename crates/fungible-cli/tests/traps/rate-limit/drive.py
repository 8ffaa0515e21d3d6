"""Sends five messages, and a sixth that is too much; another key is not concerned."""
from driver import Client, check, expect

client = Client()
ours, theirs = {"X-Api-Key": "ours"}, {"X-Api-Key": "theirs"}
expect("without a key", client.post("/messages", json={"text": "?"}), 401)
for n in range(1, 6):
    answer = expect("a message", client.post("/messages", json={"text": f"message {n}"}, headers=ours), 201)
    left = answer.headers["X-RateLimit-Remaining"]
    check(f"{5 - n} are left after {n}", left == str(5 - n), left)
answer = expect("the sixth message", client.post("/messages", json={"text": "message 6"}, headers=ours), 429)
check("it says when to try again", 0 < int(answer.headers["Retry-After"]) <= 60, answer.headers["Retry-After"])
expect("another key", client.post("/messages", json={"text": "hello"}, headers=theirs), 201)
texts = expect("the messages", client.get("/messages", headers=ours), 200).json()["messages"]
check("five were taken", texts == [f"message {n}" for n in range(1, 6)], texts)
