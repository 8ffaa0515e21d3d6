"""A diary with pages of HTML. Sessions are files in ./sessions, as PHP does it; mended, in the folder that all share, as the entries are."""
import fcntl
import html
import json
import os
import secrets

from server import Handler, command_line, serve

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


class App(Handler):
    frame = """<!doctype html><html lang="en"><title>Diary</title><body><h1>Diary</h1>{body}</body></html>"""

    def home(self, cookie=None):
        self.send_response(303)
        if cookie:
            self.send_header("Set-Cookie", f"session={cookie}; Path=/; HttpOnly")
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def session(self):
        key = self.cookie("session")
        return load(key) if key else None

    def do_GET(self):
        session = self.session()
        if not session:
            return self.page(401, LOGIN.format(notice="Please sign in."))
        items = "".join(f"<li>{html.escape(text)}</li>" for text in entries(session["name"]))
        self.page(200, ENTRIES.format(name=html.escape(session["name"]), items=items))

    def do_POST(self):
        sent = self.form()
        if self.path == "/login" and sent.get("name"):
            key = secrets.token_hex(16)
            save(key, {"name": sent["name"]})
            return self.home(cookie=key)
        session = self.session()
        if not session:
            return self.page(401, LOGIN.format(notice="Please sign in."))
        write(session["name"], sent.get("text", ""))
        self.home()


arguments = command_line()
sessions = "data/sessions" if arguments.mended else "sessions"
serve(App, arguments.port)
