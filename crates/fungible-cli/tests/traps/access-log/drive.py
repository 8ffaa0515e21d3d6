"""Writes a few tasks, reads them back, and looks at the log in each of its formats."""
from driver import Client, check, expect

client = Client()
for n in range(1, 4):
    expect("a task", client.post("/tasks", json={"text": f"Task {n}"}), 201)
    tasks = expect("the tasks", client.get("/tasks"), 200).json()
    check("all are there", tasks == [f"Task {at}" for at in range(1, n + 1)], tasks)
for path in ["/log", "/log/pairs", "/log/json"]:
    lines = expect("the log", client.get(path), 200).text.splitlines()
    check("it has five lines", len(lines) == 5, lines)
check("the one before was logged", '"path": "/log/pairs"' in lines[-1], lines)
