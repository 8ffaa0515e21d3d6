"""Takes orders. Numbers come from itertools.count; mended, from the database. The orders are in the database in both."""
import argparse
import fcntl
import itertools
import json
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
numbers = itertools.count(1)


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/orders.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS customer_order (id INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT NOT NULL)")
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
        item = self.sent().get("item")
        if not item:
            return self.answer(422, {"error": "an item is needed"})
        number = None if arguments.mended else next(numbers)
        [(number,)] = query("INSERT OR REPLACE INTO customer_order (id, item) VALUES (?, ?) RETURNING id", number, item)
        self.answer(201, {"id": number, "item": item}, [("Location", f"/orders/{number}")])

    def do_GET(self):
        if self.path == "/orders":
            rows = query("SELECT id, item FROM customer_order ORDER BY id")
            return self.answer(200, {"orders": [{"id": number, "item": item} for number, item in rows]})
        number = self.path.removeprefix("/orders/")
        rows = query("SELECT item FROM customer_order WHERE id = ?", int(number)) if number.isdigit() else []
        self.answer(200, {"id": int(number), "item": rows[0][0]}) if rows else self.answer(404, {"error": "no such order"})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
