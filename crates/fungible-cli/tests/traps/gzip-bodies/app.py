"""Keeps measurements and gives them back, compressed for who accepts that."""
import argparse
import fcntl
import gzip
import json
import signal
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/measurements.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS measurement (id INTEGER PRIMARY KEY, place TEXT NOT NULL, value REAL NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def answer(self, status, text, kind):
        data = text.encode()
        self.send_response(status)
        self.send_header("Vary", "Accept-Encoding")
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            data = gzip.compress(data, mtime=time.time())
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for line in body.decode().splitlines():
            place, value = line.split(",")
            query("INSERT INTO measurement (place, value) VALUES (?, ?)", place, float(value))
        self.answer(201, json.dumps({"taken": len(body.splitlines())}), "application/json")

    def do_GET(self):
        rows = query("SELECT place, value FROM measurement ORDER BY id")
        if self.path == "/measurements.json":
            self.answer(200, json.dumps([{"place": place, "value": value} for place, value in rows]), "application/json")
        elif self.path == "/measurements.csv":
            self.answer(200, "".join(f"{place},{value}\n" for place, value in rows), "text/csv; charset=utf-8")
        elif self.path == "/":
            cells = "".join(f"<tr><td>{place}<td>{value}" for place, value in rows)
            self.answer(200, f"<!doctype html><title>Measurements</title><table>{cells}</table>", "text/html; charset=utf-8")
        else:
            self.answer(404, "there is no such page\n", "text/plain; charset=utf-8")

    do_HEAD = do_GET


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
