"""Pages that are left at once: each asks for the news and is gone before they come."""
import socket
import time
import urllib.parse

from driver import BASE_URL, Client, check, expect

url = urllib.parse.urlsplit(BASE_URL)


def leave():
    with socket.create_connection((url.hostname, url.port)) as page:
        page.sendall(f"GET /news HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        time.sleep(0.02)


client = Client()
for note in ("tea", "socks", "mugs"):
    leave()
    expect("a note", client.put("/note", data=note.encode()), 204)
    leave()
    check("the note is there", expect("the note", client.get("/note"), 200).text == note)
