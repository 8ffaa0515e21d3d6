"""Recipes with tags. Tags come out of a set, the suggestions out of a shuffle."""
import argparse
import fcntl
import html
import json
import random
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/recipes.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS recipe (name TEXT PRIMARY KEY, tags TEXT NOT NULL)")
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
        sent = self.sent()
        if not sent.get("name"):
            return self.answer(422, {"error": "a name is needed"})
        tags = set(sent.get("tags", []))
        query("INSERT OR REPLACE INTO recipe VALUES (?, ?)", sent["name"], json.dumps(sorted(tags)))
        self.answer(201, {"name": sent["name"], "tags": list(tags)})

    def do_GET(self):
        recipes = {name: set(json.loads(tags)) for name, tags in query("SELECT name, tags FROM recipe")}
        if self.path == "/tags":
            counts = {tag: sum(tag in tags for tags in recipes.values()) for tag in set().union(*recipes.values())}
            return self.answer(200, {"tags": [{"name": tag, "recipes": count} for tag, count in counts.items()]})
        if self.path == "/suggestions":
            names = list(recipes)
            random.shuffle(names)
            data = ("<ul>" + "".join(f"<li>{html.escape(name)} <small>{' '.join(recipes[name])}</small></li>" for name in names) + "</ul>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return self.wfile.write(data)
        self.answer(404, {"error": "no such page"})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
