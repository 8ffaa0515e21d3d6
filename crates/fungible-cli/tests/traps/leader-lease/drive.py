"""Writes three letters, and waits after each until it is sent."""
import time

from driver import Client, check, expect

client = Client()
texts = []
for text in ["to Oslo", "to Lima", "to Pune"]:
    expect("a letter", client.post("/letters", json={"text": text}), 202)
    texts.append(text)
    end = time.monotonic() + 10
    while (sent := expect("the letters", client.get("/letters"), 200).json()["sent"]) != texts:
        check(f"the letter {text} is sent within ten seconds", time.monotonic() < end, sent)
        time.sleep(0.1)
