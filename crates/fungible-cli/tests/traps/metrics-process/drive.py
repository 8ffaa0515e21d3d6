"""Writes tasks, reads them back, and asks for the metrics in between."""
from driver import Client, check, expect

client = Client()


def scrape():
    page = expect("the metrics", client.get("/metrics"), 200).text
    check("the page is whole", page.endswith("# EOF\n"), page)


scrape()
for n in range(1, 4):
    expect("a task", client.post("/tasks", json={"text": f"Task {n}"}), 201)
    tasks = expect("the tasks", client.get("/tasks"), 200).json()
    check("all are there", [task["text"] for task in tasks] == [f"Task {at}" for at in range(1, n + 1)], tasks)
    scrape()
