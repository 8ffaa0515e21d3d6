"""A quiz. How far one came is in a signed cookie, which is renewed with each answer so that it ends an hour after the last one."""
import base64
import hashlib
import hmac
import json
import struct
import time

from server import Handler, command_line, serve

KEY = b"of all instances: d40b"
QUESTIONS = [("2 + 2", "4"), ("the capital of Finland", "helsinki"), ("HTTP's teapot", "418")]


def seal(value):
    text = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=") + "." + base64.urlsafe_b64encode(struct.pack(">d", time.time())).decode().rstrip("=")
    return text + "." + hmac.new(KEY, text.encode(), hashlib.sha1).hexdigest()


def unseal(sealed):
    text, _, signature = sealed.rpartition(".")
    if not hmac.compare_digest(hmac.new(KEY, text.encode(), hashlib.sha1).hexdigest(), signature):
        return None
    value, at = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in text.split("."))
    return json.loads(value) if time.time() - struct.unpack(">d", at)[0] < 3600 else None


class App(Handler):
    def session(self):
        sealed = self.cookie("quiz")
        return (unseal(sealed) if sealed else None) or {"at": 0, "right": 0}

    def renew(self, status, body, session):
        self.answer(status, body, [("Set-Cookie", f"quiz={seal(session)}; Path=/; HttpOnly; Max-Age=3600"), ("Cache-Control", "no-store")])

    def do_GET(self):
        session = self.session()
        if session["at"] == len(QUESTIONS):
            return self.renew(200, {"done": True, "right": session["right"]}, session)
        self.renew(200, {"number": session["at"] + 1, "question": QUESTIONS[session["at"]][0]}, session)

    def do_POST(self):
        given = str(self.json().get("answer", "")).lower()
        session = self.session()
        if session["at"] == len(QUESTIONS):
            return self.renew(409, {"error": "there are no more questions"}, session)
        right = given == QUESTIONS[session["at"]][1]
        session = {"at": session["at"] + 1, "right": session["right"] + right}
        self.renew(200, {"correct": right}, session)


arguments = command_line()
serve(App, arguments.port)
