"""Signed cookies whose key the first instance makes and stores. Trapped: whoever finds none writes one, and goes on with its own. --mended:
it is stored only where there is none, and then read back."""
import hashlib
import hmac
import secrets
import time

from server import Handler, Store, command_line, serve


def key():
    found = store.query("SELECT value FROM secret")
    if found:
        return found[0][0]
    made = secrets.token_hex(16)
    time.sleep(0.3)  # for the rest of the first start
    store.query("INSERT OR IGNORE INTO secret VALUES (1, ?)", made)
    return store.query("SELECT value FROM secret")[0][0] if arguments.mended else made


def sign(name):
    return hmac.new(KEY.encode(), name.encode(), hashlib.sha256).hexdigest()


class App(Handler):
    def do_POST(self):
        name = self.json()["name"]
        store.query("INSERT OR REPLACE INTO member VALUES (?)", name)
        self.answer(200, headers=[("Set-Cookie", f"login={name}.{sign(name)}; Path=/; HttpOnly")])

    def do_GET(self):
        name, _, signature = (self.cookie("login") or ".").partition(".")
        if not hmac.compare_digest(sign(name), signature):
            return self.answer(401, {"error": "please log in"})
        known = store.query("SELECT 1 FROM member WHERE name = ?", name)
        self.answer(200, {"name": name}) if known else self.answer(404, {"error": "no such member"})


arguments = command_line()
store = Store("data/keys.db", "secret (id INTEGER PRIMARY KEY, value TEXT)", "member (name TEXT PRIMARY KEY)")
KEY = key()
serve(App, arguments.port)
