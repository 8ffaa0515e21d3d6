"""Signs in by password; after three wrong ones the account is locked. The failures are counted in a dict; mended, in a table."""
import hashlib
import hmac

from server import Handler, Store, command_line, serve

TRIES = 3
PASSWORDS = {"ada": hashlib.sha256(b"lovelace").digest(), "bob": hashlib.sha256(b"builder").digest()}
failures = {}


def failed(name):
    if arguments.mended:
        rows = store.query("SELECT count FROM failure WHERE name = ?", name)
        return rows[0][0] if rows else 0
    return failures.get(name, 0)


def fail(name):
    if arguments.mended:
        store.query("INSERT INTO failure VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1", name)
    else:
        failures[name] = failed(name) + 1


class App(Handler):
    frame = "<!doctype html><title>Sign in</title>{body}"

    def do_GET(self):
        self.page(200, '<form method="post" action="/login"><input name="name"><input name="password" type="password"></form>')

    def do_POST(self):
        sent = self.form()
        name = sent.get("name")
        if name not in PASSWORDS:
            return self.page(401, "<p>Wrong name or password.</p>")
        if failed(name) >= TRIES:
            return self.page(423, "<p>This account is locked.</p>")
        if not hmac.compare_digest(PASSWORDS[name], hashlib.sha256(sent.get("password", "").encode()).digest()):
            fail(name)
            return self.page(401, f"<p>Wrong name or password. Tries left: {TRIES - failed(name)}</p>")
        self.page(200, f"<p>Welcome, {name}.</p>")


arguments = command_line()
store = Store("data/lockout.db", "failure (name TEXT PRIMARY KEY, count INTEGER NOT NULL)") if arguments.mended else None
serve(App, arguments.port)
