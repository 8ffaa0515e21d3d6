"""Profiles of people at addresses made from their names."""
import argparse
import fcntl
import html
import signal
import sqlite3
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = '<!doctype html><html lang="en"><head><title>People</title></head><body>{body}</body></html>'
lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/people.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS person (slug TEXT PRIMARY KEY, name TEXT NOT NULL, town TEXT NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def slug(name):
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def page(self, status, body, headers=()):
        data = PAGE.format(body=body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def sent(self):
        return dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))

    def do_POST(self):
        sent = self.sent()
        name, town = sent.get("name", ""), sent.get("town", "")
        if not slug(name):
            return self.page(422, "<p>A name is needed.</p>")
        taken = not query("INSERT INTO person VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING slug", slug(name), name, town)
        if taken:
            return self.page(409, f"<p>{html.escape(name)} is taken.</p>")
        cookie = urllib.parse.quote(name, safe="")
        self.page(303, "", [("Location", f"/people/{slug(name)}"), ("Set-Cookie", f"last={cookie}; Path=/")])

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/search":
            asked = urllib.parse.parse_qs(url.query).get("q", [""])[0]
            rows = query("SELECT slug, name FROM person WHERE instr(lower(name), lower(?)) ORDER BY name", asked)
            items = "".join(f'<li><a href="/people/{key}">{html.escape(name)}</a></li>' for key, name in rows)
            again = urllib.parse.urlencode({"q": asked, "page": 2})
            return self.page(200, f'<p>Searching for <q>{html.escape(asked)}</q></p><ul>{items}</ul><a href="/search?{html.escape(again)}">more</a>')
        rows = query("SELECT name, town FROM person WHERE slug = ?", url.path.removeprefix("/people/"))
        if not rows:
            return self.page(404, "<p>Nobody of that name is here.</p>")
        name, town = rows[0]
        initials = "".join(word[0].upper() for word in slug(name).split("-"))
        mail = urllib.parse.quote(f"{slug(name).replace('-', '.')}@example.org")
        self.page(
            200,
            f'<h1>{html.escape(name)}</h1><div class="badge" title="{html.escape(name.upper())}">{html.escape(name.upper())}</div>'
            f'<p data-initials="{len(initials)}">{html.escape(town)}</p><a href="mailto:{mail}">write</a>',
        )


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
