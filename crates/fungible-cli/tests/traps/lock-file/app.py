"""A store of parts in SQLite. It holds a lock on a file beside its database for as long as it lives; mended, there is no such lock."""
import argparse
import fcntl
import json
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def alone():
    """Keeps every other process out until this one ends; the file must stay open."""
    file = open("data/store.lock", "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("the store is locked by another process")
    return file


def open_store():
    with open("data/.schema", "w") as ticket:  # two instances that start at once would both create the table
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/parts.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS part (name TEXT PRIMARY KEY, count INTEGER NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        rows = query("SELECT count FROM part WHERE name = ?", self.path.removeprefix("/parts/"))
        self.answer(200, {"count": rows[0][0]}) if rows else self.answer(404, {"error": "no such part"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if not isinstance(body.get("count"), int):
            return self.answer(422, {"error": "how many?"})
        sql = "INSERT INTO part VALUES (?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count RETURNING count"
        rows = query(sql, self.path.removeprefix("/parts/"), body["count"])
        self.answer(200, {"count": rows[0][0]})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
held = None if arguments.mended else alone()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
