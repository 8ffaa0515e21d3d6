"""A guest book without names: each entry gets a key made by chance. It is kept in the file that the second argument names."""
import secrets
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

book = Path(sys.argv[2])


class Guests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = secrets.token_hex(16)
        with book.open("a") as file:
            file.write(key + "\n")
        self.answer(key.encode())

    def do_GET(self):
        self.answer(book.read_bytes() if book.exists() else b"nobody was here")


class Server(ThreadingHTTPServer):
    request_queue_size = 64


Server(("127.0.0.1", int(sys.argv[1])), Guests).serve_forever()
