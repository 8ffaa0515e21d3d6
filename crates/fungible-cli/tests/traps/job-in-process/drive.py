"""Orders two reports and polls each until it is done."""
import time

from driver import Client, check, expect

client = Client()
expect("a report about nothing", client.post("/reports", json={}), 422)
for topic, letters in [("rain in Spain", 11), ("the quick fox", 11)]:
    accepted = expect("a report", client.post("/reports", json={"topic": topic}), 202)
    for attempt in range(100):
        report = expect("the report", client.get(accepted.path()), 200).json()
        if report["status"] == "done":
            break
        time.sleep(0.02)
    check("the report gets done", report == {"status": "done", "topic": topic, "letters": letters}, report)
expect("a report that nobody ordered", client.get("/reports/none"), 404)
