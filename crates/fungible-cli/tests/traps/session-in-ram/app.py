"""A shop: sign in, look at the cart, put things into it. The session is a dict of the process; mended, a table that all share."""
import argparse
import fcntl
import json
import secrets
import signal
import sqlite3
import sys
import threading
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USERS = {"ada": "lovelace", "grace": "hopper"}


class InMemory:
    def __init__(self):
        self.sessions = {}

    def get(self, key):
        return self.sessions.get(key)

    def put(self, key, session):
        self.sessions[key] = session


class Shared:
    def __init__(self):
        self.lock = threading.Lock()
        with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the table
            fcntl.flock(ticket, fcntl.LOCK_EX)
            self.db = sqlite3.connect("data/shop.db", isolation_level=None, check_same_thread=False, timeout=10)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("CREATE TABLE IF NOT EXISTS session (key TEXT PRIMARY KEY, value TEXT NOT NULL)")

    def get(self, key):
        with self.lock:
            rows = self.db.execute("SELECT value FROM session WHERE key = ?", (key,)).fetchall()
        return json.loads(rows[0][0]) if rows else None

    def put(self, key, session):
        with self.lock:
            self.db.execute("INSERT OR REPLACE INTO session VALUES (?, ?)", (key, json.dumps(session)))


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def answer(self, status, body, cookie=None):
        data = json.dumps(body).encode()
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", f"sid={cookie}; Path=/; HttpOnly; SameSite=Lax")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def session(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("sid")
        return (cookie.value, store.get(cookie.value)) if cookie else (None, None)

    def do_GET(self):
        key, session = self.session()
        if self.path == "/cart" and session:
            self.answer(200, {"user": session["user"], "items": session["cart"]})
        elif self.path == "/cart":
            self.answer(401, {"error": "please log in"})
        elif self.path == "/":
            self.answer(200, {"shop": "Socks & Mugs", "items": ["socks", "mug"]})
        else:
            self.answer(404, {"error": "no such page"})

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        key, session = self.session()
        if self.path == "/login":
            if USERS.get(sent.get("user")) != sent.get("password"):
                return self.answer(403, {"error": "wrong name or password"})
            key = secrets.token_urlsafe(24)
            store.put(key, {"user": sent["user"], "cart": []})
            return self.answer(200, {"hello": sent["user"]}, cookie=key)
        if self.path == "/cart" and session:
            session["cart"].append(sent["item"])
            store.put(key, session)
            return self.answer(201, {"items": session["cart"]})
        self.answer(401 if self.path == "/cart" else 404, {"error": "please log in"})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
store = Shared() if arguments.mended else InMemory()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
