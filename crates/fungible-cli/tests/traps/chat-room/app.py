"""A chat over WebSockets. A message goes to the members of its room, which are in a dict; mended, to a shared table that each connection polls."""
import argparse
import base64
import fcntl
import hashlib
import json
import select
import signal
import sqlite3
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
rooms = {}


def open_store():
    with open("data/.lock", "w") as ticket:  # two instances that start at once would both create the table
        fcntl.flock(ticket, fcntl.LOCK_EX)
        db = sqlite3.connect("data/chat.db", isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, room TEXT NOT NULL, text TEXT NOT NULL)")
    return db


def query(sql, *values):
    with lock:
        return db.execute(sql, values).fetchall()


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() != "websocket" or not self.path.startswith("/rooms/"):
            return self.answer(426, b"a WebSocket, please")
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        self.chat(self.path.removeprefix("/rooms/"))

    def chat(self, room):
        self.lock = threading.Lock()  # others send to this client, too
        seen = query("SELECT coalesce(max(id), 0) FROM message")[0][0]
        if not arguments.mended:
            with lock:
                rooms.setdefault(room, set()).add(self)
        self.send(1, json.dumps({"joined": room}).encode())
        try:
            while True:
                if select.select([self.connection], [], [], 0.02)[0]:
                    frame = self.receive()
                    if frame is None:
                        return
                    self.tell(room, frame)
                if arguments.mended:
                    for seen, text in query("SELECT id, text FROM message WHERE room = ? AND id > ? ORDER BY id", room, seen):
                        self.send(1, text.encode())
        except ConnectionError:
            pass
        finally:
            with lock:
                rooms.get(room, set()).discard(self)

    def tell(self, room, text):
        if arguments.mended:
            return query("INSERT INTO message (room, text) VALUES (?, ?)", room, text)
        with lock:
            members = list(rooms[room])
        for member in members:
            try:
                member.send(1, text.encode())
            except OSError:
                pass  # that one is about to leave

    def receive(self):
        """The text of a message in one short frame; None at the end."""
        head = self.exactly(2)
        mask = self.exactly(4)
        data = bytes(byte ^ mask[n % 4] for n, byte in enumerate(self.exactly(head[1] & 127)))
        if head[0] & 15 == 8:
            self.send(8, data)
            return None
        return data.decode()

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.connection.recv(count - len(data))
            if not piece:
                raise ConnectionResetError
            data += piece
        return data

    def send(self, opcode, data):
        with self.lock:
            self.connection.sendall(struct.pack("!BB", 128 | opcode, len(data)) + data)


class Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True


arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()
db = open_store()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(("127.0.0.1", arguments.port), App).serve_forever()
