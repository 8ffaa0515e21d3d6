"""What the apps in Python share: the command line, an HTTP server, bodies and answers, figures of the process for a monitor, and
one SQLite file for all instances."""
import argparse
import fcntl
import gc
import json
import os
import signal
import sqlite3
import sys
import threading
import time
import urllib.parse

sys.modules["ssl"] = None  # nobody needs it, and it takes long to load

from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def command_line(**more):
    """The options --port and --mended, and one with a default for each name in `more`. From here on SIGTERM ends the app."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mended", action="store_true")
    for name, default in more.items():
        parser.add_argument(f"--{name}", default=default)
    return parser.parse_args()


class Handler(BaseHTTPRequestHandler):
    """Answers one request; each app adds its methods do_GET, do_POST and so on."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
    frame = "{body}"  # what stands around the body of each page

    def log_message(self, *_):
        pass

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def json(self):
        return json.loads(self.body() or b"{}")

    def form(self):
        return dict(urllib.parse.parse_qsl(self.body().decode()))

    def cookie(self, name):
        """The value of a cookie, or None."""
        found = SimpleCookie(self.headers.get("Cookie", "")).get(name)
        return found.value if found else None

    def reply(self, status, data, kind, headers=()):
        """Answers with bytes of this content type."""
        has_body = status not in (204, 304)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if has_body:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if has_body and self.command != "HEAD":
            self.wfile.write(data)

    def answer(self, status, value=None, headers=()):
        """Answers with JSON, or with an empty body."""
        data = b"" if value is None else json.dumps(value).encode()
        self.reply(status, data, "application/json", headers)

    def page(self, status, body, headers=()):
        """Answers with a page."""
        self.reply(status, self.frame.format(body=body).encode(), "text/html; charset=utf-8", headers)


class Server(ThreadingHTTPServer):
    request_queue_size = 64


def serve(handler, port):
    Server(("127.0.0.1", port), handler).serve_forever()


STARTED = time.time()


def process_metrics():
    """What the client library of Prometheus for Python tells of the process by itself."""
    with open("/proc/self/statm") as file:
        virtual, resident = (int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in file.read().split()[:2])
    figures = [
        ("process_cpu_seconds", "counter", f"process_cpu_seconds_total {time.process_time()}"),
        ("process_open_fds", "gauge", f"process_open_fds {len(os.listdir('/proc/self/fd'))}"),
        ("process_resident_memory_bytes", "gauge", f"process_resident_memory_bytes {resident:.9e}"),
        ("process_start_time_seconds", "gauge", f"process_start_time_seconds {STARTED:.11e}"),
        ("process_virtual_memory_bytes", "gauge", f"process_virtual_memory_bytes {virtual:.9e}"),
    ]
    collected = "\n".join(
        f'python_gc_objects_collected_total{{generation="{at}"}} {stats["collected"]}' for at, stats in enumerate(gc.get_stats())
    )
    figures.append(("python_gc_objects_collected", "counter", collected))
    return "".join(f"# HELP {name} A figure of the process.\n# TYPE {name} {kind}\n{lines}\n" for name, kind, lines in figures)


class Store:
    """A SQLite file that all instances share, with tables such as "task (id TEXT PRIMARY KEY)"."""

    def __init__(self, path, *tables, ticket="data/.lock"):
        self.lock = threading.Lock()
        with open(ticket, "w") as file:  # two instances that start at once would both create the tables
            fcntl.flock(file, fcntl.LOCK_EX)
            self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            self.db.execute("PRAGMA journal_mode=WAL")
            for table in tables:
                self.db.execute(f"CREATE TABLE IF NOT EXISTS {table}")

    def query(self, sql, *values):
        with self.lock:
            return self.db.execute(sql, values).fetchall()
