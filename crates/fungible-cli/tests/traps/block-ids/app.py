"""Tickets with numbers from blocks (hi/lo): each instance takes a hundred at a time, so that not every ticket asks the store for a number."""
import argparse
import fcntl
import json
import signal
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = 100
lock = threading.Lock()
numbers_lock = threading.Lock()
numbers = iter(())


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/tickets.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS block (name TEXT PRIMARY KEY, next INTEGER NOT NULL)")
        db.execute("CREATE TABLE IF NOT EXISTS ticket (id INTEGER PRIMARY KEY, title TEXT NOT NULL, state TEXT NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def next_number():
    global numbers
    with numbers_lock:
        number = next(numbers, None)
        if number is None:
            sql = "INSERT INTO block VALUES ('ticket', ?) ON CONFLICT (name) DO UPDATE SET next = next + ? RETURNING next"
            [(end,)] = query(sql, 1 + BLOCK, BLOCK)
            numbers = iter(range(end - BLOCK, end))
            number = next(numbers)
        return number


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

    def ticket(self):
        number = self.path.removeprefix("/tickets/")
        rows = query("SELECT id, title, state FROM ticket WHERE id = ?", int(number)) if number.isdigit() else []
        return dict(zip(("id", "title", "state"), rows[0])) if rows else None

    def do_POST(self):
        title = self.sent().get("title")
        if not title:
            return self.answer(422, {"error": "a title is needed"})
        number = next_number()
        query("INSERT INTO ticket VALUES (?, ?, 'open')", number, title)
        self.answer(201, {"id": number, "title": title, "state": "open"}, [("Location", f"/tickets/{number}")])

    def do_PATCH(self):
        state = self.sent().get("state")
        ticket = self.ticket()
        if not ticket:
            return self.answer(404, {"error": "no such ticket"})
        query("UPDATE ticket SET state = ? WHERE id = ?", state, ticket["id"])
        self.answer(200, self.ticket())

    def do_GET(self):
        if self.path == "/tickets":
            rows = query("SELECT id, title, state FROM ticket ORDER BY title")
            return self.answer(200, {"tickets": [dict(zip(("id", "title", "state"), row)) for row in rows]})
        ticket = self.ticket()
        self.answer(200, ticket) if ticket else self.answer(404, {"error": "no such ticket"})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
