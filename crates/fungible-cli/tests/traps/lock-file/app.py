"""A store of parts in SQLite. It holds a lock on a file beside its database for as long as it lives; mended, there is no such lock."""
import fcntl
import sys

from server import Handler, Store, command_line, serve


def alone():
    """Keeps every other process out until this one ends; the file must stay open."""
    file = open("data/store.lock", "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("the store is locked by another process")
    return file


class App(Handler):
    def do_GET(self):
        rows = store.query("SELECT count FROM part WHERE name = ?", self.path.removeprefix("/parts/"))
        self.answer(200, {"count": rows[0][0]}) if rows else self.answer(404, {"error": "no such part"})

    def do_POST(self):
        body = self.json()
        if not isinstance(body.get("count"), int):
            return self.answer(422, {"error": "how many?"})
        sql = "INSERT INTO part VALUES (?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count RETURNING count"
        rows = store.query(sql, self.path.removeprefix("/parts/"), body["count"])
        self.answer(200, {"count": rows[0][0]})


arguments = command_line()
held = None if arguments.mended else alone()
store = Store("data/parts.db", "part (name TEXT PRIMARY KEY, count INTEGER NOT NULL)")
serve(App, arguments.port)
