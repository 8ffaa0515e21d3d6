"""Writes a page, asks whether it changed, and changes it only if nobody else did."""
from driver import Client, check, expect

client = Client()
expect("a page that is not there", client.send("HEAD", "/wiki/Socks"), 404)
made = expect("a new page", client.put("/wiki/Socks", data="Socks come in pairs.", headers={"If-None-Match": "*"}), 201)
expect("making it again", client.put("/wiki/Socks", data="x", headers={"If-None-Match": "*"}), 412)
first = expect("the page", client.get("/wiki/Socks"), 200)
check("its ETag is the one given", first.headers["ETag"] == made.headers["ETag"], first.headers)
expect("not changed", client.get("/wiki/Socks", headers={"If-None-Match": first.headers["ETag"]}), 304)
expect("not changed since", client.get("/wiki/Socks", headers={"If-Modified-Since": first.headers["Last-Modified"]}), 304)
head = expect("its head", client.send("HEAD", "/wiki/Socks"), 200)
check("a head has no body, but its length", head.body == b"" and head.headers["Content-Length"] == "20", head.headers)
changed = expect("a change", client.put("/wiki/Socks", data="Socks go missing.", headers={"If-Match": first.headers["ETag"]}), 204)
expect("a change of what was", client.put("/wiki/Socks", data="y", headers={"If-Match": first.headers["ETag"]}), 412)
again = expect("changed", client.get("/wiki/Socks", headers={"If-None-Match": first.headers["ETag"]}), 200)
check("it is the new text", again.text == "Socks go missing." and again.headers["ETag"] == changed.headers["ETag"], again)
