"""Two browsers register, and exchange an offer and its answer."""
import base64
import json
import os
import secrets
import socket
import struct
import urllib.parse

from driver import BASE_URL, Client, check, expect


class Browser:
    """A client of the signalling: its messages are short, and come in one frame each."""

    def __init__(self):
        self.name = expect("a name", Client().get("/peerjs/id"), 200).text
        url = urllib.parse.urlsplit(BASE_URL)
        self.socket = socket.create_connection((url.hostname, url.port), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        address = f"/peerjs?key=peerjs&id={self.name}&token={secrets.token_hex(8)}"
        lines = [f"GET {address} HTTP/1.1", f"Host: {url.netloc}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", ""]
        self.socket.sendall("\r\n".join(lines).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            check("there is a WebSocket", byte, head)
            head += byte
        check("there is a WebSocket", head.startswith(b"HTTP/1.1 101 "), head)
        self.socket.settimeout(2)
        self.reads({"type": "OPEN"})

    def sends(self, message):
        self.send(1, json.dumps(message).encode())

    def reads(self, message):
        try:
            head = self.exactly(2)
            size = head[1] if head[1] < 126 else struct.unpack("!H", self.exactly(2))[0]
            seen = json.loads(self.exactly(size))
        except OSError as error:
            seen = error
        check(f"{message} arrives", seen == message, seen)

    def leaves(self):
        self.send(8, struct.pack("!H", 1000))
        check("one may leave", self.exactly(4)[:1] == b"\x88")
        self.socket.close()

    def send(self, opcode, data):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
        size = struct.pack("!B", 128 | len(data)) if len(data) < 126 else struct.pack("!BH", 128 | 126, len(data))
        self.socket.sendall(struct.pack("!B", 128 | opcode) + size + mask + masked)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionResetError("the connection ended")
            data += piece
        return data


bob, ada = Browser(), Browser()
ada.sends({"type": "OFFER", "dst": bob.name, "payload": {"sdp": "of ada"}})
bob.reads({"type": "OFFER", "src": ada.name, "dst": bob.name, "payload": {"sdp": "of ada"}})
bob.sends({"type": "ANSWER", "dst": ada.name, "payload": {"sdp": "of bob"}})
ada.reads({"type": "ANSWER", "src": bob.name, "dst": ada.name, "payload": {"sdp": "of bob"}})
ada.leaves()
bob.leaves()
