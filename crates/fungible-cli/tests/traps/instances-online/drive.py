"""Writes down two tasks, and looks at the list after each."""
from driver import Client, check, expect

user = Client()
for number, name in enumerate(["tea", "milk"], start=1):
    expect("a task", user.post("/tasks", json={"name": name}), 201)
    seen = expect("the tasks", user.get("/tasks"), 200).json()
    check("it is there", len(seen["tasks"]) == number, seen)
