"""Accounts with a balance: open one, pay in, transfer. A bearer token names the account; all of it is in the database."""
import argparse
import fcntl
import json
import secrets
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/bank.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS account (token TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, balance INTEGER NOT NULL CHECK (balance >= 0))")
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

    def token(self):
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def do_POST(self):
        sent = self.sent()
        if self.path == "/accounts":
            token = secrets.token_urlsafe(24)
            made = query("INSERT INTO account VALUES (?, ?, 0) ON CONFLICT DO NOTHING RETURNING token", token, sent["name"])
            return self.answer(201, {"token": token}) if made else self.answer(409, {"error": "the name is taken"})
        if not query("SELECT 1 FROM account WHERE token = ?", self.token()):
            return self.answer(401, {"error": "no account"})
        if self.path == "/deposits":
            [(balance,)] = query("UPDATE account SET balance = balance + ? WHERE token = ? RETURNING balance", sent["amount"], self.token())
            return self.answer(201, {"balance": balance})
        self.transfer(sent["to"], sent["amount"])

    def transfer(self, to, amount):
        with lock:
            db.execute("BEGIN IMMEDIATE")
            try:
                db.execute("UPDATE account SET balance = balance + ? WHERE name = ?", (amount, to))
                db.execute("UPDATE account SET balance = balance - ? WHERE token = ?", (amount, self.token()))
                db.execute("COMMIT")
            except sqlite3.IntegrityError:
                db.execute("ROLLBACK")
                return self.answer(409, {"error": "there is not enough"})
        self.answer(201, {"sent": amount, "to": to})

    def do_GET(self):
        rows = query("SELECT name, balance FROM account WHERE token = ?", self.token())
        self.answer(200, {"name": rows[0][0], "balance": rows[0][1]}) if rows else self.answer(401, {"error": "no account"})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
