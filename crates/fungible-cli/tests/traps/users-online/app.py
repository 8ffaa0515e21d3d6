"""A forum whose admin page says who was here within five minutes, in memory; mended, in the shared database. Sessions are in the database in both."""
import html
import secrets
import time

from server import Handler, Store, command_line, serve

FIVE_MINUTES = 300
seen = {}


class App(Handler):
    frame = "<html><head><title>Forum</title></head><body>{body}<footer>Forum 3.1</footer></body></html>"

    def user(self):
        rows = store.query("SELECT user FROM session WHERE id = ?", self.cookie("session") or "")
        return rows[0][0] if rows else None

    def do_GET(self):
        user = self.user()
        if user:
            was_here(user)
        if self.path == "/admin":
            names = online()
            count = "1 user" if len(names) == 1 else f"{len(names)} users"
            listed = "".join(f"<li>{html.escape(name)}</li>" for name in names)
            return self.page(200, f"<h1>Administration</h1><p>{count} online</p><ul>{listed}</ul>")
        self.page(200, f"<p>Hello, {html.escape(user)}.</p>" if user else "<p>Please log in.</p>")

    def do_POST(self):
        user, session = self.form()["user"], secrets.token_urlsafe(24)
        store.query("INSERT INTO session VALUES (?, ?)", session, user)
        was_here(user)
        self.page(200, "<p>Welcome.</p>", [("Set-Cookie", f"session={session}; HttpOnly; Path=/")])


def was_here(user):
    seen[user] = time.time()
    if arguments.mended:
        sql = "INSERT INTO seen VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET at = excluded.at"
        store.query(sql, user, time.time())


def online():
    since = time.time() - FIVE_MINUTES
    if arguments.mended:
        return [user for (user,) in store.query("SELECT user FROM seen WHERE at > ? ORDER BY user", since)]
    return sorted(user for user, at in seen.items() if at > since)


arguments = command_line()
store = Store("data/forum.db", "session (id TEXT PRIMARY KEY, user TEXT NOT NULL)", "seen (user TEXT PRIMARY KEY, at REAL NOT NULL)")
serve(App, arguments.port)
