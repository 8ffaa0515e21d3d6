"""Hands out API tokens and tells whose they are. They are kept in ~/.local/share/tokens/tokens.db, unless --database says otherwise."""
import argparse
import fcntl
import hashlib
import json
import os
import secrets
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def holder(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        rows = query("SELECT owner, scope FROM token WHERE digest = ?", digest(token)) if scheme == "Bearer" else []
        return rows[0] if rows else None

    def do_GET(self):
        holder = self.holder()
        if self.path == "/health":
            self.answer(200, {"ok": True})
        elif not holder:
            self.answer(401, {"error": "invalid_token"})
        elif self.path == "/tokens/current":
            self.answer(200, {"owner": holder[0], "scope": holder[1]})
        else:
            self.answer(404, {"error": "no such page"})

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        token = "tok_" + secrets.token_hex(20)
        query("INSERT INTO token VALUES (?, ?, ?)", digest(token), sent["owner"], sent.get("scope", "read"))
        self.answer(201, {"token": token})

    def do_DELETE(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        gone = query("DELETE FROM token WHERE digest = ? RETURNING owner", digest(token))
        self.answer(200 if gone else 401, {"gone": bool(gone)})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--database", default=os.path.expanduser("~/.local/share/tokens/tokens.db"))
arguments = arguments.parse_args()
os.makedirs(os.path.dirname(arguments.database), exist_ok=True)
with open(arguments.database + ".lock", "w") as ticket:  # two instances that start at once would both create the table
    fcntl.flock(ticket, fcntl.LOCK_EX)
    db = sqlite3.connect(arguments.database, isolation_level=None, check_same_thread=False, timeout=10)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE IF NOT EXISTS token (digest TEXT PRIMARY KEY, owner TEXT NOT NULL, scope TEXT NOT NULL)")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
