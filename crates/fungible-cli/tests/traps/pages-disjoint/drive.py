"""Writes two posts with tags and looks at both pages of them; whether each tag comes once is not checked."""
from driver import Client, check, expect

tags = "tea milk sugar honey lemon mint ginger rum cream cocoa".split()
client = Client()
expect("a post without tags", client.post("/posts", json={}), 422)
expect("a post", client.post("/posts", json={"tags": tags[:6]}), 201)
expect("a post", client.post("/posts", json={"tags": tags[4:]}), 201)
for page in [1, 2]:
    got = expect("a page of tags", client.get(f"/tags?page={page}"), 200).json()
    check("five of ten tags are there", len(got["tags"]) == 5 and set(got["tags"]) <= set(tags), got)
