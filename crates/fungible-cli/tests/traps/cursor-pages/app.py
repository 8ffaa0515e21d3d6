"""A list of events in pages. A cursor is the id of the last one seen, encoded; ids are UUIDs that begin with the time."""
import argparse
import base64
import fcntl
import json
import secrets
import signal
import sqlite3
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/events.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS event (id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def new_id(now):
    raw = bytearray(now.to_bytes(6, "big") + secrets.token_bytes(10))
    raw[6], raw[8] = raw[6] & 0x0F | 0x70, raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def sent(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")

    def do_POST(self):
        name = self.sent().get("name")
        if not name:
            return self.answer(422, {"error": "a name is needed", "request_id": str(uuid.uuid4())})
        now = time.time_ns() // 1_000_000
        event = {"id": new_id(now), "name": name, "created_at": now}
        query("INSERT INTO event VALUES (?, ?, ?)", event["id"], name, now)
        self.answer(201, event, [("X-Request-Id", str(uuid.uuid4()))])

    def do_GET(self):
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        after = base64.urlsafe_b64decode(asked["cursor"]).decode() if "cursor" in asked else ""
        rows = query("SELECT id, name, created_at FROM event WHERE id > ? ORDER BY id LIMIT 3", after)
        page, more = rows[:2], len(rows) > 2
        cursor = base64.urlsafe_b64encode(page[-1][0].encode()).decode() if more else None
        links = [("Link", f'</events?cursor={urllib.parse.quote(cursor)}>; rel="next"')] if more else []
        self.answer(200, {"data": [dict(zip(("id", "name", "created_at"), row)) for row in page], "next": cursor}, links)


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
