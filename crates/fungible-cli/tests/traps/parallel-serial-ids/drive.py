"""Three people open a ticket at the same moment, and each looks at it; then all tickets are listed."""
import threading

from driver import Client, expect

SUBJECTS = ["printer", "keyboard", "screen"]


def open_ticket(subject):
    client = Client()
    number = expect("a ticket", client.post("/tickets", json={"subject": subject}), 201).json()["number"]
    expect("one's own ticket", client.get(f"/tickets/{number}"), 200)


threads = [threading.Thread(target=open_ticket, args=(subject,)) for subject in SUBJECTS]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
expect("all tickets", Client().get("/tickets"), 200)
