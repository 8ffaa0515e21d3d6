"""A handful of pages about knots."""
import argparse
import html
import signal
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KNOTS = {"bowline": "a loop that holds", "reef": "joins two ends, for parcels only", "sheet bend": "joins two ropes"}
PAGE = "<!doctype html><html><head><title>Knots</title></head><body>{body}</body></html>"


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

    def do_GET(self):
        name = urllib.parse.unquote(self.path.lstrip("/"))
        if name == "":
            links = "".join(f'<li><a href="/{urllib.parse.quote(knot)}">{knot}</a></li>' for knot in KNOTS)
            self.page(200, f"<ul>{links}</ul>", [("Cache-Control", "max-age=60")])
        elif name in KNOTS:
            self.page(200, f"<h1>{name}</h1><p>{html.escape(KNOTS[name])}</p>")
        else:
            self.page(404, "<p>There is no such knot.</p>")


class Server(ThreadingHTTPServer):
    request_queue_size = 64


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments = arguments.parse_args()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
