"""Says what it was asked: /echo gives head and length of the body as JSON; /slow?ms=N takes its time; /big?bytes=N is long;
/stream?ms=N sends a piece each N ms; /trailers has some; /crumbs sets two cookies."""
import base64, hashlib, json, os, time, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def read_body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.trailers = []
            while (line := self.rfile.readline().strip()):
                self.trailers.append(line.decode())
            return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do(self):
        url = urllib.parse.urlsplit(self.path)
        number = int(url.query.split("=")[1]) if url.query.startswith(("ms=", "bytes=")) else 0
        self.trailers = []
        body = self.read_body()
        if url.path in ("/stream", "/trailers"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _ in range(1 if url.path == "/trailers" else 1000000):
                self.wfile.write(b"5\r\nhello\r\n")
                self.wfile.flush()
                time.sleep(number / 1000)
            self.wfile.write(b"0\r\nX-Sum: 5\r\n\r\n")
            return
        if url.path == "/slow":
            time.sleep(number / 1000)
        said = json.dumps({
            "instance": os.environ.get("FUNGIBLE_INSTANCE"), "method": self.command, "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "length": len(body), "sha256": base64.b64encode(hashlib.sha256(body).digest()).decode(), "trailers": self.trailers,
        }).encode()
        if url.path == "/big":
            said = b"x" * number
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.send_header("Connection", "keep-alive")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    do_GET = do_POST = do_PUT = do_HEAD = do_OPTIONS = do

    def log_message(self, *_):
        pass

class Server(ThreadingHTTPServer):
    request_queue_size = 256

Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
