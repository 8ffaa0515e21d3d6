"""Takes messages, five a minute for each key. The counts are a dict; mended, a table. The messages themselves are shared in both."""
import argparse
import fcntl
import json
import signal
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIMIT, WINDOW = 5, 60
lock = threading.Lock()
counts = {}


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/messages.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, key TEXT NOT NULL, text TEXT NOT NULL)")
        db.execute("CREATE TABLE IF NOT EXISTS hits (key TEXT PRIMARY KEY, began REAL NOT NULL, count INTEGER NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def hit(key):
    """Counts one request; gives the count and the seconds until it starts anew. The window opens with its first request."""
    now = time.time()
    if arguments.mended:
        sql = """INSERT INTO hits VALUES (:key, :now, 1) ON CONFLICT (key) DO UPDATE SET
            count = CASE WHEN began < :now - :window THEN 1 ELSE count + 1 END,
            began = CASE WHEN began < :now - :window THEN :now ELSE began END RETURNING began, count"""
        with lock:
            [(began, count)] = db.execute(sql, {"key": key, "now": now, "window": WINDOW}).fetchall()
    else:
        with lock:
            began, count = counts.get(key, (now, 0))
            began, count = (now, 1) if began < now - WINDOW else (began, count + 1)
            counts[key] = (began, count)
    return count, int(began + WINDOW - now) + 1


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
        sent = self.sent()
        key = self.headers.get("X-Api-Key")
        if not key:
            return self.answer(401, {"error": "a key is needed"})
        count, rest = hit(key)
        headers = [("X-RateLimit-Limit", str(LIMIT)), ("X-RateLimit-Remaining", str(max(0, LIMIT - count))), ("X-RateLimit-Reset", str(rest))]
        if count > LIMIT:
            return self.answer(429, {"error": "too many requests"}, headers + [("Retry-After", str(rest))])
        query("INSERT INTO message (key, text) VALUES (?, ?)", key, sent["text"])
        self.answer(201, {"text": sent["text"]}, headers)

    def do_GET(self):
        rows = query("SELECT text FROM message WHERE key = ? ORDER BY id", self.headers.get("X-Api-Key"))
        self.answer(200, {"messages": [text for (text,) in rows]})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
