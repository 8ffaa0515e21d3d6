"""Takes files in parts, like an object store: open, put the parts, complete. Parts wait in a dict; mended, in a table."""
import hashlib
import json
import secrets

from server import Handler, Store, command_line, serve

uploads = {}


class InMemory:
    def open(self, key, name):
        uploads[key] = (name, {})

    def name(self, key):
        return uploads[key][0] if key in uploads else None

    def put(self, key, number, data):
        uploads[key][1][number] = data

    def parts(self, key):
        return [data for _, data in sorted(uploads.pop(key)[1].items())]


class Shared:
    def open(self, key, name):
        store.query("INSERT INTO upload VALUES (?, ?)", key, name)

    def name(self, key):
        rows = store.query("SELECT name FROM upload WHERE id = ?", key)
        return rows[0][0] if rows else None

    def put(self, key, number, data):
        store.query("INSERT OR REPLACE INTO part VALUES (?, ?, ?)", key, number, data)

    def parts(self, key):
        return [data for (data,) in store.query("SELECT data FROM part WHERE upload = ? ORDER BY number", key)]


class App(Handler):
    def do_POST(self):
        body = self.body()
        _, _, *rest = self.path.split("/")
        if self.path == "/uploads":
            key = secrets.token_hex(12)
            pending.open(key, json.loads(body)["name"])
            return self.answer(201, {"upload": key})
        key = rest[0]
        name = pending.name(key)
        if not name:
            return self.answer(404, {"error": "no such upload"})
        data = b"".join(pending.parts(key))
        store.query("INSERT OR REPLACE INTO file VALUES (?, ?)", name, data)
        self.answer(201, {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}, [("Location", f"/files/{name}")])

    def do_PUT(self):
        body = self.body()
        _, _, key, _, number = self.path.split("/")
        if not pending.name(key):
            return self.answer(404, {"error": "no such upload"})
        pending.put(key, int(number), body)
        self.answer(200, {"part": int(number), "md5": hashlib.md5(body).hexdigest()})

    def do_GET(self):
        rows = store.query("SELECT data FROM file WHERE name = ?", self.path.removeprefix("/files/"))
        if not rows:
            return self.answer(404, {"error": "no such file"})
        self.reply(200, rows[0][0], "application/octet-stream")


arguments = command_line()
store = Store(
    "data/files.db",
    "upload (id TEXT PRIMARY KEY, name TEXT NOT NULL)",
    "part (upload TEXT, number INTEGER, data BLOB, PRIMARY KEY (upload, number))",
    "file (name TEXT PRIMARY KEY, data BLOB NOT NULL)",
)
pending = Shared() if arguments.mended else InMemory()
serve(App, arguments.port)
