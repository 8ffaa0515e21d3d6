"""A shopping list, as pages and as JSON. Every answer names the instance that gave it, in several ways."""
import argparse
import fcntl
import html
import json
import os
import secrets
import signal
import socket
import sqlite3
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STARTED = time.time()
NAME = f"{socket.gethostname()}-{os.getpid()}"
PAGE = """<!doctype html><html lang="en"><head><title>List</title></head><body><h1>List</h1>{body}
<footer>Served by <b>%s</b> (process %d, boot %s)</footer></body></html>""" % (NAME, os.getpid(), secrets.token_hex(6))
lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/list.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def sent(self):
        return dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))

    def answer(self, status, body, headers=()):
        data = (PAGE.format(body=body) if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("X-Served-By", NAME)
        self.send_header("Via", f"1.1 {socket.gethostname()}")
        self.send_header("Content-Type", "text/html; charset=utf-8" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        items = [text for (text,) in query("SELECT text FROM item ORDER BY id")]
        if self.path == "/":
            self.answer(200, "<ul>" + "".join(f"<li>{html.escape(text)}</li>" for text in items) + "</ul>")
        elif self.path == "/api/items":
            self.answer(200, {"items": items, "meta": {"instance": NAME, "pid": os.getpid(), "started": int(STARTED)}})
        else:
            self.answer(404, "<p>There is no such page.</p>")

    def do_POST(self):
        text = self.sent().get("text")
        if not text:
            return self.answer(422, {"error": "a text is needed", "instance": NAME})
        query("INSERT INTO item (text) VALUES (?)", text)
        self.answer(303, "", [("Location", "/")])


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
