"""A to-do list with a manual, whose process takes a second and a half to start. The list is in a dict; mended, in a shared database."""
import secrets
import time

from server import Handler, Store, command_line, serve


class App(Handler):
    def do_GET(self):
        _, section, *rest = self.path.split("/")
        if section == "manual" and rest:
            return self.answer(200, {"chapter": rest[0], "text": "Add what is to be done, and do it."})
        if section != "tasks":
            return self.answer(404, {"error": "no such page"})
        if not rest:
            return self.answer(200, {"tasks": [text for (text,) in store.query("SELECT text FROM task ORDER BY rowid")]})
        rows = store.query("SELECT text FROM task WHERE id = ?", rest[0])
        self.answer(200, {"text": rows[0][0]}) if rows else self.answer(404, {"error": "no such task"})

    def do_POST(self):
        text = self.json()["text"]
        key = secrets.token_hex(8)
        store.query("INSERT INTO task VALUES (?, ?)", key, text)
        self.answer(201, {"id": key})


arguments = command_line()
time.sleep(1.5)  # as frameworks do, with what they load
store = Store("data/todo.db" if arguments.mended else ":memory:", "task (id TEXT PRIMARY KEY, text TEXT NOT NULL)")
serve(App, arguments.port)
