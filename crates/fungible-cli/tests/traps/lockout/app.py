"""Signs in by password; after three wrong ones the account is locked. The failures are counted in a dict; mended, in a table."""
import argparse
import fcntl
import hashlib
import hmac
import signal
import sqlite3
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TRIES = 3
PAGE = "<!doctype html><title>Sign in</title>{body}"
PASSWORDS = {"ada": hashlib.sha256(b"lovelace").digest(), "bob": hashlib.sha256(b"builder").digest()}
lock = threading.Lock()
failures = {}


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/lockout.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS failure (name TEXT PRIMARY KEY, count INTEGER NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def failed(name):
    if arguments.mended:
        rows = query("SELECT count FROM failure WHERE name = ?", name)
        return rows[0][0] if rows else 0
    return failures.get(name, 0)


def fail(name):
    if arguments.mended:
        query("INSERT INTO failure VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1", name)
    else:
        failures[name] = failed(name) + 1


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def page(self, status, body, headers=()):
        data = PAGE.format(body=body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def sent(self):
        return dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))

    def do_GET(self):
        self.page(200, '<form method="post" action="/login"><input name="name"><input name="password" type="password"></form>')

    def do_POST(self):
        sent = self.sent()
        name = sent.get("name")
        if name not in PASSWORDS:
            return self.page(401, "<p>Wrong name or password.</p>")
        if failed(name) >= TRIES:
            return self.page(423, "<p>This account is locked.</p>")
        if not hmac.compare_digest(PASSWORDS[name], hashlib.sha256(sent.get("password", "").encode()).digest()):
            fail(name)
            return self.page(401, f"<p>Wrong name or password. Tries left: {TRIES - failed(name)}</p>")
        self.page(200, f"<p>Welcome, {name}.</p>")


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
db = open_store() if arguments.mended else None
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
