"""A to-do list with a manual, whose process takes a second and a half to start. The list is in a dict; mended, in a shared database."""
import argparse
import fcntl
import json
import secrets
import signal
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the table
        fcntl.flock(ticket, fcntl.LOCK_EX)
        place = "data/todo.db" if arguments.mended else ":memory:"
        db = sqlite3.connect(place, isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("CREATE TABLE IF NOT EXISTS task (id TEXT PRIMARY KEY, text TEXT NOT NULL)")
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
        _, section, *rest = self.path.split("/")
        if section == "manual" and rest:
            return self.answer(200, {"chapter": rest[0], "text": "Add what is to be done, and do it."})
        if section != "tasks":
            return self.answer(404, {"error": "no such page"})
        if not rest:
            return self.answer(200, {"tasks": [text for (text,) in query("SELECT text FROM task ORDER BY rowid")]})
        rows = query("SELECT text FROM task WHERE id = ?", rest[0])
        self.answer(200, {"text": rows[0][0]}) if rows else self.answer(404, {"error": "no such task"})

    def do_POST(self):
        text = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))["text"]
        key = secrets.token_hex(8)
        query("INSERT INTO task VALUES (?, ?)", key, text)
        self.answer(201, {"id": key})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(1.5)  # as frameworks do, with what they load
db = open_store()
Server(("127.0.0.1", arguments.port), App).serve_forever()
