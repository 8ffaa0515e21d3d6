"""Members with a picture each. Members are in a database; pictures are files below HOME; mended, beside the database."""
import argparse
import fcntl
import hashlib
import html
import os
import signal
import sqlite3
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = "<!doctype html><title>Members</title><h1>Members</h1>{body}"
lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/members.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS member (name TEXT PRIMARY KEY, picture TEXT NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def picture_of(name):
    """Five by five boxes in a colour, made from the name."""
    digest = hashlib.sha256(name.encode()).digest()
    boxes = "".join(f'<rect x="{n % 5}" y="{n // 5}" width="1" height="1"/>' for n in range(25) if digest[n] & 1)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 5 5" fill="#{digest[:3].hex()}">{boxes}</svg>'


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
        name = self.sent().get("name", "").strip()
        if not name:
            return self.page(422, "<p>A name is needed.</p>")
        picture = hashlib.sha256(name.encode()).hexdigest()[:20] + ".svg"
        os.makedirs(pictures, exist_ok=True)
        with open(os.path.join(pictures, picture), "w") as file:
            file.write(picture_of(name))
        query("INSERT OR REPLACE INTO member VALUES (?, ?)", name, picture)
        self.page(303, "", [("Location", "/members")])

    def do_GET(self):
        if self.path == "/members":
            rows = query("SELECT name, picture FROM member ORDER BY name")
            return self.page(200, "".join(f'<p><img src="/avatars/{picture}" alt="">{html.escape(name)}</p>' for name, picture in rows))
        try:
            with open(os.path.join(pictures, os.path.basename(self.path)), "rb") as file:
                data = file.read()
        except OSError:
            return self.page(404, "<p>There is no such picture.</p>")
        self.send_response(200)
        self.send_header("Content-Type", "image/svg+xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
db = open_store()
pictures = "data/avatars" if arguments.mended else os.path.expanduser("~/avatars")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
