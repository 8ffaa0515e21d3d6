"""A diary with pages of HTML. Sessions are files in ./sessions, as PHP does it; mended, in the folder that all share, as the entries are."""
import argparse
import fcntl
import html
import json
import os
import secrets
import signal
import sys
import urllib.parse
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html><html lang="en"><title>Diary</title><body><h1>Diary</h1>{body}</body></html>"""
LOGIN = """<p>{notice}</p><form method="post" action="/login"><label>Name <input name="name"></label><button>Sign in</button></form>"""
ENTRIES = """<p>Signed in as <b>{name}</b>.</p><ol>{items}</ol>
<form method="post" action="/entries"><textarea name="text"></textarea><button>Write</button></form>"""


def load(key):
    if not key.isalnum():
        return None
    try:
        with open(os.path.join(sessions, key)) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def save(key, session):
    os.makedirs(sessions, exist_ok=True)
    with open(os.path.join(sessions, key + ".new"), "w") as file:
        json.dump(session, file)
    os.rename(file.name, os.path.join(sessions, key))


def entries(name):
    try:
        with open("data/entries.jsonl") as file:
            return [entry["text"] for entry in map(json.loads, file) if entry["name"] == name]
    except FileNotFoundError:
        return []


def write(name, text):
    with open("data/entries.jsonl", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps({"name": name, "text": text}) + "\n")


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def page(self, status, body):
        data = PAGE.format(body=body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def home(self, cookie=None):
        self.send_response(303)
        if cookie:
            self.send_header("Set-Cookie", f"session={cookie}; Path=/; HttpOnly")
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def session(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("session")
        return load(cookie.value) if cookie else None

    def do_GET(self):
        session = self.session()
        if not session:
            return self.page(401, LOGIN.format(notice="Please sign in."))
        items = "".join(f"<li>{html.escape(text)}</li>" for text in entries(session["name"]))
        self.page(200, ENTRIES.format(name=html.escape(session["name"]), items=items))

    def do_POST(self):
        sent = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))
        if self.path == "/login" and sent.get("name"):
            key = secrets.token_hex(16)
            save(key, {"name": sent["name"]})
            return self.home(cookie=key)
        session = self.session()
        if not session:
            return self.page(401, LOGIN.format(notice="Please sign in."))
        write(session["name"], sent.get("text", ""))
        self.home()


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
sessions = "data/sessions" if arguments.mended else "sessions"
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
