"""Sessions in a shared table. Trapped: each instance remembers for a minute the sessions that it has seen. --mended: it looks in the table
each time."""
import secrets
import time

from server import Handler, Store, command_line, serve

FOR = 60  # seconds
seen = {}


class App(Handler):
    def name(self):
        session = self.cookie("session")
        name, until = seen.get(session, (None, 0))
        if until > time.monotonic():
            return name
        found = store.query("SELECT name FROM session WHERE id = ?", session)
        if found and not arguments.mended:
            seen[session] = (found[0][0], time.monotonic() + FOR)
        return found[0][0] if found else None

    def do_POST(self):
        if self.path == "/login":
            session = secrets.token_urlsafe(24)
            store.query("INSERT INTO session VALUES (?, ?)", session, self.json()["name"])
            return self.answer(200, headers=[("Set-Cookie", f"session={session}; Path=/; HttpOnly")])
        seen.pop(self.cookie("session"), None)
        store.query("DELETE FROM session WHERE id = ?", self.cookie("session"))
        self.answer(200, headers=[("Set-Cookie", "session=; Path=/; Max-Age=0")])

    def do_GET(self):
        name = self.name()
        self.answer(200, {"name": name}) if name else self.answer(401, {"error": "please log in"})


arguments = command_line()
store = Store("data/sessions.db", "session (id TEXT PRIMARY KEY, name TEXT NOT NULL)")
serve(App, arguments.port)
