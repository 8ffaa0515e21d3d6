"""Takes a file in two halves. The halves wait in ./parts of the working directory; mended, in the folder that all share, as the files do."""
import argparse
import json
import os
import secrets
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def save(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    draft = f"{path}.{secrets.token_hex(4)}"
    with open(draft, "wb") as file:
        file.write(data)
    os.rename(draft, path)


def load(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


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

    def do_PUT(self):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, _, name, number = self.path.split("/")
        if number not in ("1", "2"):
            return self.answer(422, {"error": "there are two halves"})
        save(f"{parts}/{os.path.basename(name)}.{number}", data)
        self.answer(202, {"half": int(number), "bytes": len(data)})

    def do_POST(self):
        name = os.path.basename(self.path)
        halves = [load(f"{parts}/{name}.{number}") for number in "12"]
        if None in halves:
            return self.answer(409, {"error": "a half is missing"})
        save(f"data/files/{name}", b"".join(halves))
        self.answer(201, {"name": name, "bytes": sum(map(len, halves))})

    def do_GET(self):
        data = load(f"data/files/{os.path.basename(self.path)}")
        if data is None:
            return self.answer(404, {"error": "no such file"})
        self.answer(200, {"text": data.decode()})


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
parts = "data/parts" if arguments.mended else "parts"
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
