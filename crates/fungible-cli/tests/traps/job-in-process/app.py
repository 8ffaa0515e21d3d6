"""Makes reports on request: 202, then poll. A thread of this process works; mended, the work is a row in a table, and each poll does one step of it."""
import argparse
import fcntl
import json
import signal
import sqlite3
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STEPS = 3
lock = threading.Lock()
jobs = {}


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the tables
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/reports.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS job (id TEXT PRIMARY KEY, topic TEXT NOT NULL, done INTEGER NOT NULL, words INTEGER NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


def step(topic, done):
    """A step of the work: counts the letters of one word."""
    time.sleep(0.01)
    words = topic.split()
    return len(words[done]) if done < len(words) else 0


def work(key):
    job = jobs[key]
    while job["done"] < STEPS:
        time.sleep(0.03)
        job["words"] += step(job["topic"], job["done"])
        job["done"] += 1


def start(key, topic):
    if arguments.mended:
        query("INSERT INTO job VALUES (?, ?, 0, 0)", key, topic)
    else:
        jobs[key] = {"topic": topic, "done": 0, "words": 0}
        threading.Thread(target=work, args=(key,), daemon=True).start()


def look(key):
    if not arguments.mended:
        return jobs.get(key)
    rows = query("SELECT topic, done FROM job WHERE id = ?", key)
    if not rows:
        return None
    topic, done = rows[0]
    if done < STEPS:  # two at once may do the same step; it counts once
        query("UPDATE job SET done = done + 1, words = words + ? WHERE id = ? AND done = ?", step(topic, done), key, done)
    [(topic, done, words)] = query("SELECT topic, done, words FROM job WHERE id = ?", key)
    return {"topic": topic, "done": done, "words": words}


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
        if self.path != "/reports" or not sent.get("topic"):
            return self.answer(422, {"error": "a report needs a topic"})
        key = str(uuid.uuid4())
        start(key, sent["topic"])
        self.answer(202, {"id": key, "status": "queued"}, [("Location", f"/reports/{key}")])

    def do_GET(self):
        job = look(self.path.removeprefix("/reports/"))
        if not job:
            return self.answer(404, {"error": "no such report"})
        if job["done"] < STEPS:
            return self.answer(200, {"status": "running", "progress": round(job["done"] / STEPS, 2)})
        self.answer(200, {"status": "done", "topic": job["topic"], "letters": job["words"]})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
db = open_store() if arguments.mended else None
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
