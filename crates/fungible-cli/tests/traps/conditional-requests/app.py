"""A wiki with conditional requests: ETags made from the content, times from the database."""
import argparse
import email.utils
import fcntl
import hashlib
import signal
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/wiki.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS page (name TEXT PRIMARY KEY, text TEXT NOT NULL, changed INTEGER NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def tag(text):
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def answer(self, status, text="", headers=()):
        data = text.encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(data)

    def page(self):
        rows = query("SELECT text, changed FROM page WHERE name = ?", self.path)
        return rows[0] if rows else (None, None)

    def do_GET(self):
        text, changed = self.page()
        if text is None:
            return self.answer(404, "There is no such page.\n")
        headers = [("ETag", tag(text)), ("Last-Modified", email.utils.formatdate(changed, usegmt=True)), ("Cache-Control", "no-cache")]
        given = self.headers.get("If-None-Match")
        since = self.headers.get("If-Modified-Since")
        if given == tag(text) or (not given and since and changed <= email.utils.parsedate_to_datetime(since).timestamp()):
            return self.answer(304, headers=headers)
        self.answer(200, text, headers)

    do_HEAD = do_GET

    def do_PUT(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        text, _ = self.page()
        wanted = self.headers.get("If-Match")
        if (wanted and (text is None or wanted != tag(text))) or (self.headers.get("If-None-Match") == "*" and text is not None):
            return self.answer(412, "Somebody was faster.\n")
        query("INSERT OR REPLACE INTO page VALUES (?, ?, ?)", self.path, sent, int(time.time()))
        self.answer(201 if text is None else 204, headers=[("ETag", tag(sent))])


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
