"""Stores a file by a link, fetches it by another; a link for reading does not write."""
from driver import BASE_URL, Client, check, expect

client = Client()


def link(method, name):
    url = expect("a link", client.post("/links", json={"method": method, "name": name}), 200).json()["url"]
    check("the link leads here", url.startswith(BASE_URL + "/objects/"), url)
    return url.removeprefix(BASE_URL)


expect("nothing there yet", client.get(link("GET", "key.bin")), 404)
expect("storing", client.put(link("PUT", "key.bin"), data=bytes(range(32))), 200)
got = expect("fetching", client.get(link("GET", "key.bin")), 200).json()
check("it is what was stored", got["hex"] == bytes(range(32)).hex(), got)
expect("a link for reading", client.put(link("GET", "key.bin"), data=b"x"), 403)
expect("no link at all", client.get("/objects/key.bin"), 403)
