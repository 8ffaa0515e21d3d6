"""Makes a folder, fills it, copies, moves, lists and deletes."""
import re

from driver import BASE_URL, Client, check, expect

client = Client()


def listed(path):
    answer = expect("listing", client.send("PROPFIND", path, headers={"Depth": "1"}), 207)
    return re.findall("<D:href>([^<]+)</D:href>", answer.text)


def to(path, **more):
    return {"Destination": BASE_URL + path, **more}


options = expect("what is on offer", client.send("OPTIONS", "/"), 200)
check("it is WebDAV", "PROPFIND" in options.headers["Allow"], options.headers)
expect("a file in no folder", client.put("/drafts/a.txt", data="a"), 409)
expect("a folder", client.send("MKCOL", "/drafts"), 201)
expect("the same folder", client.send("MKCOL", "/drafts"), 405)
expect("a file", client.put("/drafts/a.txt", data="first"), 201)
expect("the file again", client.put("/drafts/a.txt", data="second"), 204)
expect("a copy", client.send("COPY", "/drafts/a.txt", headers=to("/drafts/b%20%26%20c.txt")), 201)
expect("a copy over it", client.send("COPY", "/drafts/a.txt", headers=to("/drafts/b%20%26%20c.txt", Overwrite="F")), 412)
names = listed("/drafts")
check("both are listed", names == ["/drafts", "/drafts/a.txt", "/drafts/b%20%26%20c.txt"], names)
expect("moving", client.send("MOVE", "/drafts/a.txt", headers=to("/final.txt")), 201)
check("it moved", expect("the file", client.get("/final.txt"), 200).text == "second")
expect("it is not there any more", client.send("HEAD", "/drafts/a.txt"), 404)
expect("deleting the folder", client.delete("/drafts"), 204)
names = listed("/")
check("one file is left", names == ["/", "/final.txt"], names)
