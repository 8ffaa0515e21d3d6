"""Accounts with a balance: open one, pay in, transfer. A bearer token names the account; all of it is in the database."""
import secrets
import sqlite3

from server import Handler, Store, command_line, serve


class App(Handler):
    def token(self):
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def do_POST(self):
        sent = self.json()
        if self.path == "/accounts":
            token = secrets.token_urlsafe(24)
            made = store.query("INSERT INTO account VALUES (?, ?, 0) ON CONFLICT DO NOTHING RETURNING token", token, sent["name"])
            return self.answer(201, {"token": token}) if made else self.answer(409, {"error": "the name is taken"})
        if not store.query("SELECT 1 FROM account WHERE token = ?", self.token()):
            return self.answer(401, {"error": "no account"})
        if self.path == "/deposits":
            [(balance,)] = store.query("UPDATE account SET balance = balance + ? WHERE token = ? RETURNING balance", sent["amount"], self.token())
            return self.answer(201, {"balance": balance})
        self.transfer(sent["to"], sent["amount"])

    def transfer(self, to, amount):
        with store.lock:
            store.db.execute("BEGIN IMMEDIATE")
            try:
                store.db.execute("UPDATE account SET balance = balance + ? WHERE name = ?", (amount, to))
                store.db.execute("UPDATE account SET balance = balance - ? WHERE token = ?", (amount, self.token()))
                store.db.execute("COMMIT")
            except sqlite3.IntegrityError:
                store.db.execute("ROLLBACK")
                return self.answer(409, {"error": "there is not enough"})
        self.answer(201, {"sent": amount, "to": to})

    def do_GET(self):
        rows = store.query("SELECT name, balance FROM account WHERE token = ?", self.token())
        self.answer(200, {"name": rows[0][0], "balance": rows[0][1]}) if rows else self.answer(401, {"error": "no account"})


arguments = command_line()
store = Store(
    "data/bank.db",
    "account (token TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, balance INTEGER NOT NULL CHECK (balance >= 0))",
)
serve(App, arguments.port)
