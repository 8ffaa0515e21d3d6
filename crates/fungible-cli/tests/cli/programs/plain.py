"""A small service: says who answered; /slow?ms=N takes its time; /env?NAME shows a variable; /host?NAME knows only that Host;
/keep?mb=N keeps so much memory; /spin?ms=N computes for so long; /fails-on?INSTANCE answers 500 there."""
import os, sys, time, threading, urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

KEPT = []

class Handler(BaseHTTPRequestHandler):
    # A server without threads would wait on a connection that is kept.
    protocol_version = "HTTP/1.0" if "ONE_AT_A_TIME" in os.environ else "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/slow":
            time.sleep(int(url.query.removeprefix("ms=")) / 1000)
        if url.path == "/keep":
            KEPT.append(os.urandom(1 << 20) * int(url.query.removeprefix("mb=")))
        if url.path == "/spin":
            end = time.monotonic() + int(url.query.removeprefix("ms=")) / 1000
            while time.monotonic() < end:
                pass
        text = os.environ.get(url.query, "") if url.path == "/env" else os.environ.get("FUNGIBLE_INSTANCE", "")
        body = text.encode()
        known = url.path != "/host" or self.headers["Host"] == url.query
        fails = url.path == "/fails-on" and url.query == text
        self.send_response(500 if fails else 200 if known else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 256

if "HEALTH_PORT" in os.environ:
    class Health(Handler):
        def do_GET(self):
            self.send_response(200 if self.path == "/alive" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
    health = Server(("127.0.0.1", int(os.environ["HEALTH_PORT"])), Health)
    threading.Thread(target=health.serve_forever, daemon=True).start()

port = int(sys.argv[1]) if len(sys.argv) > 1 else int(os.environ["PORT"])
print("listening on", port, flush=True)
kind = HTTPServer if "ONE_AT_A_TIME" in os.environ else Server
kind(("127.0.0.1", port), Handler).serve_forever()
