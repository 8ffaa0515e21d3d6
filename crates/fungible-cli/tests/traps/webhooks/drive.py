"""Asks to be called for each order, orders, and looks at the orders; only then whether it was called."""
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from driver import Client, check, expect

calls = []


class Hook(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        calls.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()


hook = HTTPServer(("127.0.0.1", 0), Hook)
threading.Thread(target=hook.serve_forever, daemon=True).start()
client = Client()
expect("a hook", client.post("/hooks", json={"url": f"http://127.0.0.1:{hook.server_port}/"}), 201)
expect("an order", client.post("/orders", json={"item": "teapot"}), 201)
check("the order is there", client.get("/orders").json() == ["teapot"])
check("it was called", len(calls) == 1, calls)
