"""A price list in a database, with a cache in front. A change clears the cache of the instance that makes it; mended, each entry is checked against the version."""
import argparse
import fcntl
import json
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
cache = {}


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/prices.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS product (name TEXT PRIMARY KEY, price INTEGER NOT NULL, version INTEGER NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def product(name):
    if arguments.mended and name in cache:
        rows = query("SELECT version FROM product WHERE name = ?", name)
        if not rows or rows[0][0] != cache[name]["version"]:
            del cache[name]
    if name not in cache:
        rows = query("SELECT price, version FROM product WHERE name = ?", name)
        if not rows:
            return None
        cache[name] = {"name": name, "price": rows[0][0], "version": rows[0][1]}
    return cache[name]


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

    def do_GET(self):
        if self.path == "/products":
            names = [name for (name,) in query("SELECT name FROM product ORDER BY name")]
            return self.answer(200, {"products": names})
        found = product(self.path.removeprefix("/products/"))
        self.answer(200, found) if found else self.answer(404, {"error": "no such product"})

    def do_PUT(self):
        name = self.path.removeprefix("/products/")
        price = self.sent().get("price")
        if not isinstance(price, int) or price < 0:
            return self.answer(422, {"error": "a price is a whole number of cents"})
        query(
            "INSERT INTO product VALUES (?, ?, 1) ON CONFLICT (name) DO UPDATE SET price = excluded.price, version = version + 1",
            name,
            price,
        )
        cache.pop(name, None)
        self.answer(200, product(name))


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
