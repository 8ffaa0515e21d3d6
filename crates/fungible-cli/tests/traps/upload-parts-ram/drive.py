"""Sends a file of three parts, the second one first."""
import hashlib

from driver import Client, check, expect

client = Client()
whole = bytes(n * 7 % 256 for n in range(50_000))
parts = [whole[:20_000], whole[20_000:40_000], whole[40_000:]]
expect("a file that is not there yet", client.get("/files/photo.raw"), 404)
key = expect("an upload", client.post("/uploads", json={"name": "photo.raw"}), 201).json()["upload"]
for number in [2, 1, 3]:
    answer = expect(f"part {number}", client.put(f"/uploads/{key}/parts/{number}", data=parts[number - 1]), 200).json()
    check("the part came whole", answer["md5"] == hashlib.md5(parts[number - 1]).hexdigest(), answer)
done = expect("completing", client.post(f"/uploads/{key}/complete"), 201)
check("the file came whole", done.json()["sha256"] == hashlib.sha256(whole).hexdigest(), done)
check("it is what was sent", client.get("/files/photo.raw").body == whole)
expect("a part of no upload", client.put("/uploads/0/parts/1", data=b"x"), 404)
