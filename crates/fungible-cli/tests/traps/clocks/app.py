"""A log of what happened, with the time in every form that people like."""
import argparse
import datetime
import email.utils
import fcntl
import html
import json
import signal
import sqlite3
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html><html lang="en"><head><title>Log</title></head><body>{body}</body></html>"""
lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/log.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, text TEXT NOT NULL, at REAL NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def ago(seconds):
    for length, name in ((3600, "hour"), (60, "minute")):
        if seconds >= length:
            return f"{int(seconds // length)} {name}{'s' if seconds >= 2 * length else ''} ago"
    return "1 second ago" if int(seconds) == 1 else f"{int(seconds)} seconds ago"


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def sent(self):
        return dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))

    def answer(self, status, body, headers=()):
        data = (PAGE.format(body=body) if isinstance(body, str) else json.dumps(body)).encode()
        took = (time.perf_counter() - self.began) * 1000
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Server-Timing", f"app;dur={took:.2f}")
        self.send_header("X-Runtime", f"{took / 1000:.6f}")
        self.send_header("Expires", email.utils.formatdate(time.time() + 60, usegmt=True))
        self.send_header("Content-Type", "text/html; charset=utf-8" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.began = time.perf_counter()
        now = time.time()
        events = query("SELECT text, at FROM event ORDER BY id")
        if self.path == "/":
            rows = "".join(
                f'<li>{html.escape(text)} <time datetime="{datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat()}">{ago(now - at)}</time></li>'
                for text, at in events
            )
            clock = datetime.datetime.fromtimestamp(now, datetime.UTC)
            self.answer(200, f"<h1>Log</h1><ol>{rows}</ol><p>It is {clock:%A, %d %B %Y, %H:%M:%S}.</p>")
        elif self.path == "/api/events":
            listed = [{"text": text, "at_ms": int(at * 1000), "age": round(now - at, 3)} for text, at in events]
            self.answer(200, {"now": now, "events": listed, "took": f"{(time.perf_counter() - self.began) * 1000:.1f}ms"})
        else:
            self.answer(404, {"error": "no such page", "timestamp": email.utils.formatdate(now, usegmt=True)})

    def do_POST(self):
        self.began = time.perf_counter()
        text = self.sent().get("text")
        if not text:
            return self.answer(422, {"error": "a text is needed", "timestamp": int(time.time())})
        query("INSERT INTO event (text, at) VALUES (?, ?)", text, time.time())
        last = email.utils.formatdate(time.time(), usegmt=True)
        self.answer(303, "", [("Location", "/"), ("Last-Modified", last)])


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
