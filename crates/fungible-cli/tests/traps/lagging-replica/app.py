"""Members of a club. Writes go to the shared database, reads to a replica in memory, which is brought up to date every 0.3 s."""
import sqlite3
import threading
import time

from server import Handler, Store, command_line, serve


class Replica:
    def __init__(self):
        self.lock = threading.Lock()
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.follow()
        threading.Thread(target=self.keep_following, daemon=True).start()

    def follow(self):
        with self.lock, store.lock:
            store.db.backup(self.db)

    def keep_following(self):
        while True:
            time.sleep(0.3)
            self.follow()

    def members(self):
        with self.lock:
            return dict(self.db.execute("SELECT name, town FROM member ORDER BY name").fetchall())


class App(Handler):
    def do_GET(self):
        members = replica.members()
        if self.path == "/members":
            return self.answer(200, {"members": members})
        name = self.path.removeprefix("/members/")
        self.answer(200, {"name": name, "town": members[name]}) if name in members else self.answer(404, {"error": "no such member"})

    def do_PUT(self):
        name = self.path.removeprefix("/members/")
        store.query("INSERT INTO member VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET town = excluded.town", name, self.json()["town"])
        self.answer(202)


arguments = command_line()
store = Store("data/members.db", "member (name TEXT PRIMARY KEY, town TEXT NOT NULL)")
replica = Replica()
serve(App, arguments.port)
