"""Takes files in parts, like an object store: open, put the parts, complete. Parts wait in a dict; mended, in a table."""
import argparse
import fcntl
import hashlib
import json
import secrets
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
uploads = {}


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/files.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS upload (id TEXT PRIMARY KEY, name TEXT NOT NULL)")
        db.execute("CREATE TABLE IF NOT EXISTS part (upload TEXT, number INTEGER, data BLOB, PRIMARY KEY (upload, number))")
        db.execute("CREATE TABLE IF NOT EXISTS file (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


class InMemory:
    def open(self, key, name):
        uploads[key] = (name, {})

    def name(self, key):
        return uploads[key][0] if key in uploads else None

    def put(self, key, number, data):
        uploads[key][1][number] = data

    def parts(self, key):
        return [data for _, data in sorted(uploads.pop(key)[1].items())]


class Shared:
    def open(self, key, name):
        query("INSERT INTO upload VALUES (?, ?)", key, name)

    def name(self, key):
        rows = query("SELECT name FROM upload WHERE id = ?", key)
        return rows[0][0] if rows else None

    def put(self, key, number, data):
        query("INSERT OR REPLACE INTO part VALUES (?, ?, ?)", key, number, data)

    def parts(self, key):
        return [data for (data,) in query("SELECT data FROM part WHERE upload = ? ORDER BY number", key)]


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

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self):
        body = self.body()
        _, _, *rest = self.path.split("/")
        if self.path == "/uploads":
            key = secrets.token_hex(12)
            pending.open(key, json.loads(body)["name"])
            return self.answer(201, {"upload": key})
        key = rest[0]
        name = pending.name(key)
        if not name:
            return self.answer(404, {"error": "no such upload"})
        data = b"".join(pending.parts(key))
        query("INSERT OR REPLACE INTO file VALUES (?, ?)", name, data)
        self.answer(201, {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}, [("Location", f"/files/{name}")])

    def do_PUT(self):
        body = self.body()
        _, _, key, _, number = self.path.split("/")
        if not pending.name(key):
            return self.answer(404, {"error": "no such upload"})
        pending.put(key, int(number), body)
        self.answer(200, {"part": int(number), "md5": hashlib.md5(body).hexdigest()})

    def do_GET(self):
        rows = query("SELECT data FROM file WHERE name = ?", self.path.removeprefix("/files/"))
        if not rows:
            return self.answer(404, {"error": "no such file"})
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(rows[0][0])))
        self.end_headers()
        self.wfile.write(rows[0][0])


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
db = open_store()
pending = Shared() if arguments.mended else InMemory()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
