"""A small service: says who answered; /slow?ms=N takes its time; /env?NAME shows a variable; /host?NAME knows only that Host."""
import os, sys, time, threading, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/slow":
            time.sleep(int(url.query.removeprefix("ms=")) / 1000)
        text = os.environ.get(url.query, "") if url.path == "/env" else os.environ.get("FUNGIBLE_INSTANCE", "")
        body = text.encode()
        known = url.path != "/host" or self.headers["Host"] == url.query
        self.send_response(200 if known else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 256

port = int(sys.argv[1]) if len(sys.argv) > 1 else int(os.environ["PORT"])
print("listening on", port, flush=True)
Server(("127.0.0.1", port), Handler).serve_forever()
