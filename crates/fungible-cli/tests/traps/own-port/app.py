"""Keeps pastes and answers with their full addresses: made from its own port; mended, from the Host that the client asked for."""
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
        db = sqlite3.connect("data/pastes.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS paste (id TEXT PRIMARY KEY, text TEXT NOT NULL)")
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

    def address(self, path):
        host = self.headers["Host"] if arguments.mended else f"127.0.0.1:{arguments.port}"
        return f"http://{host}{path}"

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if not text:
            return self.answer(422, {"error": "there is nothing to keep"})
        key = secrets.token_urlsafe(9)
        query("INSERT INTO paste VALUES (?, ?)", key, text)
        address = self.address(f"/pastes/{key}")
        self.answer(201, {"url": address}, [("Location", address)])

    def do_GET(self):
        rows = query("SELECT text FROM paste WHERE id = ?", self.path.removeprefix("/pastes/"))
        if not rows:
            return self.answer(404, {"error": "no such paste"})
        self.answer(200, {"text": rows[0][0], "links": {"self": self.address(self.path), "all": self.address("/")}})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
