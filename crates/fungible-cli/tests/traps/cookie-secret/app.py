"""Accounts with a signed cookie. The secret comes from the environment, or else is made up at the start; mended, it has a fixed value."""
import base64
import hashlib
import hmac
import html
import json
import os
import secrets
import time

from server import Handler, command_line, serve

LIFETIME = 3600  # seconds


def seal(value):
    text = base64.urlsafe_b64encode(json.dumps({**value, "at": int(time.time())}).encode()).decode().rstrip("=")
    return text + "." + hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def unseal(sealed):
    text, _, signature = sealed.partition(".")
    if not hmac.compare_digest(hmac.new(secret, text.encode(), hashlib.sha256).hexdigest(), signature):
        return None
    value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return value if time.time() - value["at"] < LIFETIME else None


class App(Handler):
    frame = "<!doctype html><title>Account</title><main>{body}</main>"

    def user(self):
        sealed = self.cookie("user")
        return unseal(sealed) if sealed else None

    def do_GET(self):
        user = self.user()
        if self.path == "/login":
            self.page(200, '<form method="post"><input name="name"><button>Sign in</button></form>')
        elif not user:
            self.page(302, "", [("Location", "/login")])
        elif self.path == "/account":
            self.page(200, f"<h1>{html.escape(user['name'])}</h1><p>Plan: {user['plan']}</p>")
        else:
            self.page(404, "<p>There is no such page.</p>")

    def do_POST(self):
        sent = self.form()
        if self.path == "/login":
            value = {"name": sent.get("name", "nobody"), "plan": "small"}
        elif self.path == "/account/plan" and (user := self.user()):
            value = {"name": user["name"], "plan": "large" if sent.get("plan") == "large" else "small"}
        else:
            return self.page(302, "", [("Location", "/login")])
        self.page(303, "", [("Set-Cookie", f"user={seal(value)}; Path=/; HttpOnly; Max-Age={LIFETIME}"), ("Location", "/account")])


arguments = command_line()
default = "the same on all instances" if arguments.mended else secrets.token_hex(32)
secret = os.environ.get("COOKIE_SECRET", default).encode()
serve(App, arguments.port)
