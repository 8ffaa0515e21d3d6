"""A guest book: a page with its entries and a form. The entries are a list; mended, lines of a file."""
import argparse
import fcntl
import html
import json
import signal
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html><html lang="en"><head><title>Guest book</title></head><body><h1>Guest book</h1>{body}
<form method="post"><input name="name"><input name="text"><button>Sign</button></form></body></html>"""
memory = []


def slug(name):
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


class InMemory:
    def all(self):
        return memory

    def add(self, entry):
        memory.append(entry)


class Shared:
    def all(self):
        try:
            with open("data/guests.jsonl") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def add(self, entry):
        with open("data/guests.jsonl", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(entry) + "\n")


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
        if self.path != "/":
            return self.page(404, "<p>There is no such page.</p>")
        entries = [
            f'<article id="{slug(entry["name"])}"><h2>{html.escape(entry["name"])}</h2><p>{html.escape(entry["text"])}</p></article>'
            for entry in guests.all()
        ]
        self.page(200, f"<p>{len(entries)} guests so far</p>" + "".join(entries))

    def do_POST(self):
        sent = self.sent()
        if not sent.get("name") or not sent.get("text"):
            return self.page(422, "<p>A name and a text are needed.</p>")
        guests.add({"name": sent["name"], "text": sent["text"]})
        self.page(303, "", [("Location", f"/#{slug(sent['name'])}")])


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
guests = Shared() if arguments.mended else InMemory()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
