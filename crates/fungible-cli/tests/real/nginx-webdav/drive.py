"""Fills a folder, copies and moves, reads a part of a file, asks whether it changed, and clears up."""
from driver import BASE_URL, Client, check, expect

client = Client()


def names(path):
    return [entry["name"] for entry in expect("listing", client.get(path), 200).json()]


def to(path):
    return {"Destination": BASE_URL + path}


check("there is nothing", names("/") == [], names("/"))
expect("a folder", client.send("MKCOL", "/drafts/"), 201)
expect("a file", client.put("/drafts/a.txt", data="one two three"), 201)
part = expect("a part of it", client.get("/drafts/a.txt", headers={"Range": "bytes=4-6"}), 206)
check("it is that part", part.text == "two", part)
expect("it did not change", client.get("/drafts/a.txt", headers={"If-None-Match": part.headers["ETag"]}), 304)
expect("a copy", client.send("COPY", "/drafts/a.txt", headers=to("/drafts/b.txt")), 204)
check("both are listed", names("/drafts/") == ["a.txt", "b.txt"], names("/drafts/"))
expect("another content", client.put("/drafts/a.txt", data="four five six"), 204)
check("it is the new one", expect("the file", client.get("/drafts/a.txt"), 200).text == "four five six")
expect("moving it", client.send("MOVE", "/drafts/a.txt", headers=to("/final.txt")), 204)
expect("it is not there any more", client.get("/drafts/a.txt"), 404)
check("the copy is as it was", expect("the copy", client.get("/drafts/b.txt"), 200).text == "one two three")
expect("removing the folder", client.delete("/drafts/"), 204)
check("one file is left", names("/") == ["final.txt"], names("/"))
