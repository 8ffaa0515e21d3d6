"""Keeps files, and gives links to them that are good for a minute, as object stores do."""
import argparse
import fcntl
import hashlib
import hmac
import json
import signal
import sqlite3
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = b"of all instances: aa17"
lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/store.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS object (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def signature(method, name, expires):
    return hmac.new(KEY, f"{method} {name} {expires}".encode(), hashlib.sha256).hexdigest()


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

    def allowed(self):
        """The name, if the link is good; without that the answer has been given."""
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query))
        name, expires = url.path.removeprefix("/objects/"), asked.get("expires", "0")
        if not hmac.compare_digest(signature(self.command, name, expires), asked.get("signature", "")):
            self.answer(403, {"error": "SignatureDoesNotMatch"})
        elif float(expires) < time.time():
            self.answer(403, {"error": "RequestHasExpired"})
        else:
            return name

    def do_POST(self):
        sent = self.sent()
        expires = str(int(time.time()) + 60)
        query_string = urllib.parse.urlencode({"expires": expires, "signature": signature(sent["method"], sent["name"], expires)})
        self.answer(200, {"url": f"http://{self.headers['Host']}/objects/{sent['name']}?{query_string}"})

    def do_PUT(self):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = self.allowed()
        if name:
            query("INSERT OR REPLACE INTO object VALUES (?, ?)", name, data)
            self.answer(200, {"stored": len(data)}, [("ETag", f'"{hashlib.md5(data).hexdigest()}"')])

    def do_GET(self):
        name = self.allowed()
        rows = query("SELECT data FROM object WHERE name = ?", name) if name else None
        if name:
            self.answer(200, {"hex": rows[0][0].hex()}) if rows else self.answer(404, {"error": "NoSuchKey"})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
