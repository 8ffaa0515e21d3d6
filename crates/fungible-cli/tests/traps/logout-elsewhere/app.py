"""Signed tokens (JWT) with a log-out. The tokens given back are a set of the process; mended, a table."""
import base64
import hashlib
import hmac
import json
import time
import uuid

from server import Handler, Store, command_line, serve

KEY = b"of all instances: c3a9"
gone = set()


def encode(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(text):
    return encode(hmac.new(KEY, text.encode(), hashlib.sha256).digest())


def issue(name):
    now = int(time.time())
    text = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": name, "iat": now, "exp": now + 3600, "jti": str(uuid.uuid4())}))
    return f"{text}.{sign(text)}"


def claims(token):
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(sign(text), signature):
        return None
    found = json.loads(decode(text.split(".")[1]))
    if found["exp"] < time.time():
        return None
    revoked = store.query("SELECT 1 FROM gone WHERE id = ?", found["jti"]) if arguments.mended else found["jti"] in gone
    return None if revoked else found


class App(Handler):
    def claims(self):
        return claims(self.headers.get("Authorization", "").removeprefix("Bearer "))

    def do_POST(self):
        sent = self.json()
        if self.path == "/login":
            return self.answer(200, {"token": issue(sent["name"]), "expires_in": 3600})
        found = self.claims()
        if self.path != "/logout" or not found:
            return self.answer(401, {"error": "please log in"})
        if arguments.mended:
            store.query("INSERT OR IGNORE INTO gone VALUES (?, ?)", found["jti"], found["exp"])
        else:
            gone.add(found["jti"])
        self.answer(200, {"bye": found["sub"]})

    def do_GET(self):
        found = self.claims()
        self.answer(200, {"name": found["sub"]}) if found else self.answer(401, {"error": "please log in"})


arguments = command_line()
store = Store("data/tokens.db", "gone (id TEXT PRIMARY KEY, until INTEGER NOT NULL)") if arguments.mended else None
serve(App, arguments.port)
