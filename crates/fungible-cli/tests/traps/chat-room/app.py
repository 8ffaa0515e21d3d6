"""A chat over WebSockets. A message goes to the members of its room, which are in a dict; mended, to a shared table that each connection polls."""
import base64
import hashlib
import json
import select
import struct
import threading

from server import Handler, Store, command_line, serve

lock = threading.Lock()
rooms = {}


class App(Handler):
    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() != "websocket" or not self.path.startswith("/rooms/"):
            return self.reply(426, b"a WebSocket, please", "text/plain")
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
        seen = store.query("SELECT coalesce(max(id), 0) FROM message")[0][0]
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
                    for seen, text in store.query("SELECT id, text FROM message WHERE room = ? AND id > ? ORDER BY id", room, seen):
                        self.send(1, text.encode())
        except ConnectionError:
            pass
        finally:
            with lock:
                rooms.get(room, set()).discard(self)

    def tell(self, room, text):
        if arguments.mended:
            return store.query("INSERT INTO message (room, text) VALUES (?, ?)", room, text)
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


arguments = command_line()
store = Store("data/chat.db", "message (id INTEGER PRIMARY KEY, room TEXT NOT NULL, text TEXT NOT NULL)")
serve(App, arguments.port)
