"""A dictionary that loads its words in the background: it listens at once and says 503 until they are there."""
import argparse
import fcntl
import json
import signal
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WARM_UP = 0.15  # seconds
lock = threading.Lock()
ready = threading.Event()
words = {}


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/words.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS word (word TEXT PRIMARY KEY, meaning TEXT NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def warm_up():
    time.sleep(WARM_UP)
    words.update({"mug": "a cup with a handle", "sock": "a bag for a foot"})
    ready.set()


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

    def warming(self):
        if ready.is_set():
            return False
        self.answer(503, {"error": "warming up"}, [("Retry-After", "1")])
        return True

    def do_GET(self):
        if self.warming():
            return
        word = self.path.removeprefix("/words/")
        if self.path == "/health":
            return self.answer(200, {"ok": True})
        rows = query("SELECT meaning FROM word WHERE word = ?", word)
        meaning = rows[0][0] if rows else words.get(word)
        self.answer(200, {"word": word, "meaning": meaning}) if meaning else self.answer(404, {"error": "no such word"})

    def do_PUT(self):
        sent = self.sent()
        if self.warming():
            return
        word = self.path.removeprefix("/words/")
        query("INSERT OR REPLACE INTO word VALUES (?, ?)", word, sent["meaning"])
        self.answer(200, {"word": word, "meaning": sent["meaning"]})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
threading.Thread(target=warm_up, daemon=True).start()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
