"""A shop: sign in, look at the cart, put things into it. The session is a dict of the process; mended, a table that all share."""
import json
import secrets

from server import Handler, Store, command_line, serve

USERS = {"ada": "lovelace", "grace": "hopper"}


class InMemory:
    def __init__(self):
        self.sessions = {}

    def get(self, key):
        return self.sessions.get(key)

    def put(self, key, session):
        self.sessions[key] = session


class Shared(Store):
    def get(self, key):
        rows = self.query("SELECT value FROM session WHERE key = ?", key)
        return json.loads(rows[0][0]) if rows else None

    def put(self, key, session):
        self.query("INSERT OR REPLACE INTO session VALUES (?, ?)", key, json.dumps(session))


class App(Handler):
    def session(self):
        key = self.cookie("sid")
        return (key, store.get(key)) if key else (None, None)

    def do_GET(self):
        key, session = self.session()
        if self.path == "/cart" and session:
            self.answer(200, {"user": session["user"], "items": session["cart"]})
        elif self.path == "/cart":
            self.answer(401, {"error": "please log in"})
        elif self.path == "/":
            self.answer(200, {"shop": "Socks & Mugs", "items": ["socks", "mug"]})
        else:
            self.answer(404, {"error": "no such page"})

    def do_POST(self):
        sent = self.json()
        key, session = self.session()
        if self.path == "/login":
            if USERS.get(sent.get("user")) != sent.get("password"):
                return self.answer(403, {"error": "wrong name or password"})
            key = secrets.token_urlsafe(24)
            store.put(key, {"user": sent["user"], "cart": []})
            return self.answer(200, {"hello": sent["user"]}, [("Set-Cookie", f"sid={key}; Path=/; HttpOnly; SameSite=Lax")])
        if self.path == "/cart" and session:
            session["cart"].append(sent["item"])
            store.put(key, session)
            return self.answer(201, {"items": session["cart"]})
        self.answer(401 if self.path == "/cart" else 404, {"error": "please log in"})


arguments = command_line()
store = Shared("data/shop.db", "session (key TEXT PRIMARY KEY, value TEXT NOT NULL)") if arguments.mended else InMemory()
serve(App, arguments.port)
