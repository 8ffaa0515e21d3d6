"""Signed tokens (JWT) with a log-out. The tokens given back are a set of the process; mended, a table."""
import argparse
import base64
import fcntl
import hashlib
import hmac
import json
import signal
import sqlite3
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = b"of all instances: c3a9"
lock = threading.Lock()
gone = set()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/tokens.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS gone (id TEXT PRIMARY KEY, until INTEGER NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def encode(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(text):
    return encode(hmac.new(KEY, text.encode(), hashlib.sha256).digest())


def issue(name):
    now = int(time.time())
    text = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": name, "iat": now, "exp": now + 3600, "jti": str(uuid.uuid4())}))
    return f"{text}.{sign(text)}"


def claims(token):
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(sign(text), signature):
        return None
    found = json.loads(decode(text.split(".")[1]))
    if found["exp"] < time.time():
        return None
    revoked = query("SELECT 1 FROM gone WHERE id = ?", found["jti"]) if arguments.mended else found["jti"] in gone
    return None if revoked else found


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

    def claims(self):
        return claims(self.headers.get("Authorization", "").removeprefix("Bearer "))

    def do_POST(self):
        sent = self.sent()
        if self.path == "/login":
            return self.answer(200, {"token": issue(sent["name"]), "expires_in": 3600})
        found = self.claims()
        if self.path != "/logout" or not found:
            return self.answer(401, {"error": "please log in"})
        if arguments.mended:
            query("INSERT OR IGNORE INTO gone VALUES (?, ?)", found["jti"], found["exp"])
        else:
            gone.add(found["jti"])
        self.answer(200, {"bye": found["sub"]})

    def do_GET(self):
        found = self.claims()
        self.answer(200, {"name": found["sub"]}) if found else self.answer(401, {"error": "please log in"})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
db = open_store() if arguments.mended else None
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
