"""Uploads a file in three parts, asks how far it is in between, sends a part from a wrong place, downloads it, and removes it."""
from driver import Client, check, expect

client = Client()


def send(method, path, data=None, **headers):
    return client.send(method, path, data=data, headers={"Tus-Resumable": "1.0.0", **headers})


def part(at, data):
    return send("PATCH", place, data, **{"Upload-Offset": str(at), "Content-Type": "application/offset+octet-stream"})


whole = b"".join(b"line %d\n" % n for n in range(300))
answer = expect("an upload", send("POST", "/files", **{"Upload-Length": str(len(whole)), "Upload-Metadata": "filename dGVhLnR4dA=="}), 201)
place = answer.path()
for begin in range(0, len(whole), 1000):
    expect("a part", part(begin, whole[begin : begin + 1000]), 204)
    answer = expect("how far it is", send("HEAD", place), 200)
    check("all that was sent is there", answer.headers["Upload-Offset"] == str(min(begin + 1000, len(whole))), answer.headers)
    check("its name is known", answer.headers["Upload-Metadata"] == "filename dGVhLnR4dA==", answer.headers)
expect("a part from a wrong place", part(5, b"again"), 409)
check("it is what was sent", expect("the file", send("GET", place), 200).body == whole)
expect("removing it", send("DELETE", place), 204)
expect("it is gone", send("HEAD", place), 404)
