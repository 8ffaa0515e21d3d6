"""A suggestion box. The cookie holds a secret; the form holds that secret under a mask that is new in each answer."""
import argparse
import fcntl
import hmac
import html
import secrets
import signal
import sys
import urllib.parse
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = "<!doctype html><html><head><title>Box</title></head><body>{body}</body></html>"


def mask(secret):
    pad = secrets.token_bytes(len(secret))
    return (pad + bytes(a ^ b for a, b in zip(pad, secret))).hex()


def unmask(token):
    try:
        raw = bytes.fromhex(token)
    except ValueError:
        return b""
    half = len(raw) // 2
    return bytes(a ^ b for a, b in zip(raw[:half], raw[half:]))


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

    def secret(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("csrftoken")
        return bytes.fromhex(cookie.value) if cookie else None

    def do_GET(self):
        secret = self.secret()
        headers = []
        if not secret:
            secret = secrets.token_bytes(16)
            headers = [("Set-Cookie", f"csrftoken={secret.hex()}; Path=/; SameSite=Lax")]
        try:
            with open("data/box.txt") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            lines = []
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        token = f'<input type="hidden" name="csrfmiddlewaretoken" value="{mask(secret)}">'
        self.page(200, f'<ol>{items}</ol><form method="post">{token}<input name="text"><button>Drop</button></form>', headers)

    def do_POST(self):
        sent = self.sent()
        secret = self.secret()
        if not secret or not hmac.compare_digest(unmask(sent.get("csrfmiddlewaretoken", "")), secret):
            return self.page(403, "<p>CSRF verification failed.</p>")
        with open("data/box.txt", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(" ".join(sent.get("text", "").split()) + "\n")
        self.page(302, "", [("Location", "/")])


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
