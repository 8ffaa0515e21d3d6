"""Reads the whole manual, then adds a task and looks at it twice."""
from driver import Client, check, expect

client = Client()
check("there is nothing to do", client.get("/tasks").json() == {"tasks": []})
for chapter in range(1, 61):
    expect("the manual", client.get(f"/manual/{chapter}"), 200)
key = expect("a task", client.post("/tasks", json={"text": "water the plants"}), 201).json()["id"]
seen = expect("the list", client.get("/tasks"), 200).json()
check("the task is in the list", seen == {"tasks": ["water the plants"]}, seen)
expect("the task", client.get(f"/tasks/{key}"), 200)
