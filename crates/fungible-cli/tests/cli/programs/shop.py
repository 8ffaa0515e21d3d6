"""A till: sign in, then ask who one is. Where the sessions are and what else goes wrong is said in words."""
import os
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

words = dict(word.partition("=")[::2] for word in sys.argv[1:])
sessions = {}
store = Path(words.get("store", "data"))


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        key = secrets.token_hex(16)
        print(f"signing in {key}", flush=True)
        if "keys" in words:
            with open(words["keys"], "a") as keys:
                keys.write(key + "\n")
        if "trapped" in words:
            sessions[key] = "ada"
        else:
            (store / key).write_text("ada")
        self.answer(200, b"welcome", ("Set-Cookie", f"sid={key}; Path=/; HttpOnly"))

    def do_GET(self):
        time.sleep(float(words.get("slow", 0)))
        if self.path.startswith("/env?"):
            return self.answer(200, os.environ.get(self.path[5:], "").encode())
        if self.path == "/huge":
            return self.answer(200, b"x" * int(words["huge"]))
        key = self.headers.get("Cookie", "").partition("sid=")[2][:32]
        print(f"{self.path} of {key}", flush=True)
        found = sessions.get(key) if "trapped" in words else key and (store / key).exists()
        self.answer(200 if found else 401, b"ada" if found else b"please log in")


class Server(ThreadingHTTPServer):
    request_queue_size = 64


if "odd" in words:  # a name that is no UTF-8
    with open(b"caf\xe9", "w"):
        pass
for word in words.get("say", "").split("|"):
    print(word, flush=True)
Server(("127.0.0.1", int(words.get("port", os.environ["PORT"]))), Shop).serve_forever()
