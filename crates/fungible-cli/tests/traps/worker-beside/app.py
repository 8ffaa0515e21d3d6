"""Takes texts to be set in capitals by worker.py, which shares the database."""
import argparse
import fcntl
import json
import secrets
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/jobs.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS job (id TEXT PRIMARY KEY, text TEXT NOT NULL, result TEXT)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


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
        text = self.sent().get("text")
        if not text:
            return self.answer(422, {"error": "a text is needed"})
        key = secrets.token_urlsafe(12)
        query("INSERT INTO job (id, text) VALUES (?, ?)", key, text)
        self.answer(202, {"job": key}, [("Location", f"/jobs/{key}"), ("Retry-After", "0")])

    def do_GET(self):
        rows = query("SELECT text, result FROM job WHERE id = ?", self.path.removeprefix("/jobs/"))
        if not rows:
            return self.answer(404, {"error": "no such job"})
        text, result = rows[0]
        if result is None:
            ahead = query("SELECT count(*) FROM job WHERE result IS NULL")[0][0]
            return self.answer(200, {"state": "waiting", "waiting": ahead})
        self.answer(200, {"state": "done", "text": text, "result": result})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
