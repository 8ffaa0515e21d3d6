"""Hands out API tokens and tells whose they are. They are kept in ~/.local/share/tokens/tokens.db, unless --database says otherwise."""
import hashlib
import os
import secrets

from server import Handler, Store, command_line, serve


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


class App(Handler):
    def answer(self, status, value):
        super().answer(status, value, [("WWW-Authenticate", "Bearer")] if status == 401 else [])

    def holder(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        rows = store.query("SELECT owner, scope FROM token WHERE digest = ?", digest(token)) if scheme == "Bearer" else []
        return rows[0] if rows else None

    def do_GET(self):
        holder = self.holder()
        if self.path == "/health":
            self.answer(200, {"ok": True})
        elif not holder:
            self.answer(401, {"error": "invalid_token"})
        elif self.path == "/tokens/current":
            self.answer(200, {"owner": holder[0], "scope": holder[1]})
        else:
            self.answer(404, {"error": "no such page"})

    def do_POST(self):
        sent = self.json()
        token = "tok_" + secrets.token_hex(20)
        store.query("INSERT INTO token VALUES (?, ?, ?)", digest(token), sent["owner"], sent.get("scope", "read"))
        self.answer(201, {"token": token})

    def do_DELETE(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        gone = store.query("DELETE FROM token WHERE digest = ? RETURNING owner", digest(token))
        self.answer(200 if gone else 401, {"gone": bool(gone)})


arguments = command_line(database=os.path.expanduser("~/.local/share/tokens/tokens.db"))
os.makedirs(os.path.dirname(arguments.database), exist_ok=True)
table = "token (digest TEXT PRIMARY KEY, owner TEXT NOT NULL, scope TEXT NOT NULL)"
store = Store(arguments.database, table, ticket=arguments.database + ".lock")
serve(App, arguments.port)
