"""A shop that calls whoever asked to be called for each order. The addresses are in a list of the process; mended, in the shared file."""
import argparse
import fcntl
import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILE = "data/shop.json"
lock = threading.Lock()
hooks = []


def change(update):
    """The shop after an update, from the shared file."""
    with open(FILE, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        shop = json.loads(file.read() or '{"hooks": [], "orders": []}')
        update(shop)
        file.seek(0)
        file.truncate()
        file.write(json.dumps(shop))
        file.flush()
        return shop


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if self.path == "/hooks":
            if arguments.mended:
                change(lambda shop: shop["hooks"].append(sent["url"]))
            else:
                with lock:
                    hooks.append(sent["url"])
            return self.answer(201, {"event": "order"})
        shop = change(lambda shop: shop["orders"].append(sent["item"]))
        with lock:
            called = shop["hooks"] + hooks
        for url in called:
            urllib.request.urlopen(urllib.request.Request(url, json.dumps(sent).encode()), timeout=5).close()
        self.answer(201, {"item": sent["item"]})

    def do_GET(self):
        self.answer(200, change(lambda shop: None)["orders"])


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
Server(("127.0.0.1", arguments.port), App).serve_forever()
