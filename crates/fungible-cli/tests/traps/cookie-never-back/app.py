"""Sessions in a dict, which nobody who drives it ever comes back to."""
import argparse
import json
import secrets
import signal
import sys
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sessions = {}


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

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if sent.get("password") != "open sesame":
            return self.answer(403, {"error": "wrong password"})
        key = secrets.token_urlsafe(18)
        sessions[key] = sent["name"]
        self.answer(200, {"hello": sent["name"]}, [("Set-Cookie", f"sid={key}; Path=/; HttpOnly")])

    def do_GET(self):
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("sid")
        if self.path == "/version":
            self.answer(200, {"version": "1.4.0"})
        elif cookie and cookie.value in sessions:
            self.answer(200, {"name": sessions[cookie.value]})
        else:
            self.answer(401, {"error": "please log in"})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
