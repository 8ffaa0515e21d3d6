"""Sends a poem in two halves."""
from driver import Client, check, expect

client = Client()
expect("completing too early", client.post("/uploads/poem.txt"), 409)
expect("the first half", client.put("/uploads/poem.txt/1", data="Hope is the thing ".encode()), 202)
expect("the second half", client.put("/uploads/poem.txt/2", data="with feathers".encode()), 202)
expect("a third half", client.put("/uploads/poem.txt/3", data=b"?"), 422)
done = expect("completing", client.post("/uploads/poem.txt"), 201).json()
check("it is 31 bytes long", done["bytes"] == 31, done)
text = expect("reading", client.get("/files/poem.txt"), 200).json()["text"]
check("it is the poem", text == "Hope is the thing with feathers", text)
