"""Hands in two texts and polls for both."""
import time

from driver import Client, check, expect

client = Client()
expect("nothing to do", client.post("/jobs", json={}), 422)
places = {text: expect("a job", client.post("/jobs", json={"text": text}), 202).path() for text in ["fungible", "mutual"]}
for text, place in places.items():
    until = time.monotonic() + 10
    while True:
        job = expect("the job", client.get(place), 200).json()
        if job["state"] == "done" or time.monotonic() > until:
            break
        time.sleep(0.04)
    check("the job gets done", job == {"state": "done", "text": text, "result": text.upper()}, job)
expect("a job that nobody handed in", client.get("/jobs/none"), 404)
