"""Sends measurements plain and compressed, reads them in three forms."""
import gzip
import json

from driver import Client, check, expect

client = Client()
accept = {"Accept-Encoding": "gzip"}


def read(path, status=200):
    answer = expect(path, client.get(path, headers=accept), status)
    check(f"{path} is compressed", answer.headers["Content-Encoding"] == "gzip", answer)
    return gzip.decompress(answer.body).decode()


expect("plain", client.post("/measurements", data=b"roof,21.5\ncellar,12.0"), 201)
packed = gzip.compress("".join(f"shaft,{n}\n" for n in range(200)).encode())
expect("compressed", client.post("/measurements", data=packed, headers={"Content-Encoding": "gzip"}), 201)
rows = json.loads(read("/measurements.json"))
check("all are there", len(rows) == 202 and rows[0] == {"place": "roof", "value": 21.5}, rows[:3])
check("the table has all", read("/").count("<tr>") == 202)
check("the lines are in order", read("/measurements.csv").startswith("roof,21.5\ncellar,12.0\nshaft,0.0\n"))
expect("without compression", client.get("/measurements.csv"), 200)
expect("the head", client.send("HEAD", "/measurements.csv", headers=accept), 200)
read("/nowhere", 404)
