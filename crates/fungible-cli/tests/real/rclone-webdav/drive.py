"""Adds two files and a folder, reads and lists them, and removes one."""
import re

from driver import Client, check, expect

client = Client()


def listed(path):
    answer = expect("listing", client.send("PROPFIND", path, headers={"Depth": "1"}), 207)
    return sorted(re.findall("<D:href>([^<]+)</D:href>", answer.text))


check("there is nothing", listed("/") == ["/", "/.gitkeep"])
expect("a file", client.put("/notes.txt", data="first"), 201)
check("it is what was sent", expect("the file", client.get("/notes.txt"), 200).text == "first")
expect("a folder", client.send("MKCOL", "/drafts"), 201)
expect("a file in it", client.put("/drafts/a.txt", data="a"), 201)
names = listed("/drafts/")
check("it is listed", names == ["/drafts/", "/drafts/a.txt"], names)
expect("removing the first", client.delete("/notes.txt"), 204)
expect("it is gone", client.get("/notes.txt"), 404)
