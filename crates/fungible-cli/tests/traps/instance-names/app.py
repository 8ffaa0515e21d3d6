"""A shopping list, as pages and as JSON. Every answer names the instance that gave it, in several ways."""
import html
import os
import secrets
import socket
import time

from server import Handler, Store, command_line, serve

STARTED = time.time()
NAME = f"{socket.gethostname()}-{os.getpid()}"


class App(Handler):
    frame = """<!doctype html><html lang="en"><head><title>List</title></head><body><h1>List</h1>{body}
<footer>Served by <b>%s</b> (process %d, boot %s)</footer></body></html>""" % (NAME, os.getpid(), secrets.token_hex(6))

    def answer(self, status, body, headers=()):
        names = [("X-Served-By", NAME), ("Via", f"1.1 {socket.gethostname()}")]
        answer = self.page if isinstance(body, str) else super().answer
        answer(status, body, [*headers, *names])

    def do_GET(self):
        items = [text for (text,) in store.query("SELECT text FROM item ORDER BY id")]
        if self.path == "/":
            self.answer(200, "<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in items) + "</ul>")
        elif self.path == "/api/items":
            self.answer(200, {"items": items, "meta": {"instance": NAME, "pid": os.getpid(), "started": int(STARTED)}})
        else:
            self.answer(404, "<p>There is no such page.</p>")

    def do_POST(self):
        text = self.form().get("text")
        if not text:
            return self.answer(422, {"error": "a text is needed", "instance": NAME})
        store.query("INSERT INTO item (text) VALUES (?)", text)
        self.answer(303, "", [("Location", "/")])


arguments = command_line()
store = Store("data/list.db", "item (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
serve(App, arguments.port)
