"""Accounts with a signed cookie. The secret comes from the environment, or else is made up at the start; mended, it has a fixed value."""
import argparse
import base64
import hashlib
import hmac
import html
import json
import os
import secrets
import signal
import sys
import time
import urllib.parse
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LIFETIME = 3600  # seconds


def seal(value):
    text = base64.urlsafe_b64encode(json.dumps({**value, "at": int(time.time())}).encode()).decode().rstrip("=")
    return text + "." + hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def unseal(sealed):
    text, _, signature = sealed.partition(".")
    if not hmac.compare_digest(hmac.new(secret, text.encode(), hashlib.sha256).hexdigest(), signature):
        return None
    value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return value if time.time() - value["at"] < LIFETIME else None


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def page(self, status, body, headers=()):
        data = f"<!doctype html><title>Account</title><main>{body}</main>".encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def user(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("user")
        return unseal(cookie.value) if cookie else None

    def do_GET(self):
        user = self.user()
        if self.path == "/login":
            self.page(200, '<form method="post"><input name="name"><button>Sign in</button></form>')
        elif not user:
            self.page(302, "", [("Location", "/login")])
        elif self.path == "/account":
            self.page(200, f"<h1>{html.escape(user['name'])}</h1><p>Plan: {user['plan']}</p>")
        else:
            self.page(404, "<p>There is no such page.</p>")

    def do_POST(self):
        sent = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()))
        if self.path == "/login":
            value = {"name": sent.get("name", "nobody"), "plan": "small"}
        elif self.path == "/account/plan" and (user := self.user()):
            value = {"name": user["name"], "plan": "large" if sent.get("plan") == "large" else "small"}
        else:
            return self.page(302, "", [("Location", "/login")])
        self.page(303, "", [("Set-Cookie", f"user={seal(value)}; Path=/; HttpOnly; Max-Age={LIFETIME}"), ("Location", "/account")])


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
default = "the same on all instances" if arguments.mended else secrets.token_hex(32)
secret = os.environ.get("COOKIE_SECRET", default).encode()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
