"""Two people in one room: what one writes both read."""
import base64
import json
import os
import socket
import struct
import urllib.parse

from driver import BASE_URL, check


class Member:
    """A client of the chat: the messages are short, and come in one frame each."""

    def __init__(self, name, room):
        self.name = name
        url = urllib.parse.urlsplit(BASE_URL)
        self.socket = socket.create_connection((url.hostname, url.port), timeout=3)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET /rooms/{room} HTTP/1.1", f"Host: {url.netloc}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", ""]
        self.socket.settimeout(30)  # until there is an instance
        self.socket.sendall("\r\n".join(lines).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            check(f"{name} gets a WebSocket", byte, head)
            head += byte
        check(f"{name} gets a WebSocket", head.startswith(b"HTTP/1.1 101 "), head)
        self.socket.settimeout(3)
        self.reads({"joined": room})

    def writes(self, text):
        self.send(1, json.dumps({"from": self.name, "text": text}).encode())

    def reads(self, message):
        try:
            head = self.exactly(2)
            seen = json.loads(self.exactly(head[1]))
        except OSError as error:
            seen = error
        check(f"{self.name} reads {message}", seen == message, seen)

    def leaves(self):
        self.send(8, struct.pack("!H", 1000))
        check(f"{self.name} may leave", self.exactly(4)[:1] == b"\x88")
        self.socket.close()

    def send(self, opcode, data):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
        self.socket.sendall(struct.pack("!BB", 128 | opcode, 128 | len(data)) + mask + masked)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionResetError("the connection ended")
            data += piece
        return data


ada, bob = Member("ada", "tea"), Member("bob", "tea")
texts = ["Is anybody here?", "There is tea."]
for text in texts:
    ada.writes(text)
for member in [ada, bob]:
    for text in texts:
        member.reads({"from": "ada", "text": text})
ada.leaves()
bob.leaves()
