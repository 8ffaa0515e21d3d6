"""Notes that each instance keeps in its memory and tells to all others that live. Mended, they are in a shared database."""
import json
import os
import secrets
import urllib.request

from server import Handler, Store, command_line, serve


def tell_others(key, text):
    for peer in os.listdir("data/peers"):
        if peer == str(arguments.port):
            continue
        request = urllib.request.Request(f"http://127.0.0.1:{peer}/peers/{key}", json.dumps({"text": text}).encode(), method="PUT")
        try:
            urllib.request.urlopen(request, timeout=2).close()
        except OSError:
            pass  # it lives no more


class App(Handler):
    def do_POST(self):
        key, text = secrets.token_hex(8), self.json()["text"]
        if arguments.mended:
            store.query("INSERT INTO note VALUES (?, ?)", key, text)
        else:
            notes[key] = text
            tell_others(key, text)
        self.answer(201, {"id": key})

    def do_PUT(self):
        notes[self.path.removeprefix("/peers/")] = self.json()["text"]
        self.answer(204)

    def do_GET(self):
        key = self.path.removeprefix("/notes/")
        rows = store.query("SELECT text FROM note WHERE id = ?", key) if arguments.mended else [(notes[key],)] if key in notes else []
        self.answer(200, {"text": rows[0][0]}) if rows else self.answer(404, {"error": "no such note"})


arguments = command_line()
notes = {}
if arguments.mended:
    store = Store("data/notes.db", "note (id TEXT PRIMARY KEY, text TEXT NOT NULL)")
else:
    os.makedirs("data/peers", exist_ok=True)
    open(f"data/peers/{arguments.port}", "w").close()
serve(App, arguments.port)
