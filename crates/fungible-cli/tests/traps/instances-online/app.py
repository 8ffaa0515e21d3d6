"""Tasks in the shared database, and who serves them: whoever said within the last second that it lives."""
import threading
import time
import uuid

from server import Handler, Store, command_line, serve

ME = str(uuid.uuid4())


def beat():
    store.query("INSERT INTO beat VALUES (?, ?) ON CONFLICT (instance) DO UPDATE SET at = excluded.at", ME, time.time())


def beat_on():
    while True:
        time.sleep(0.1)
        beat()


class App(Handler):
    def do_GET(self):
        tasks = [name for (name,) in store.query("SELECT name FROM task ORDER BY rowid")]
        (count,), = store.query("SELECT count(*) FROM beat WHERE at > ?", time.time() - 1)
        self.answer(200, {"tasks": tasks, "served_by_instances": count})

    def do_POST(self):
        store.query("INSERT INTO task VALUES (?)", self.json()["name"])
        self.answer(201)


arguments = command_line()
store = Store("data/tasks.db", "task (name TEXT NOT NULL)", "beat (instance TEXT PRIMARY KEY, at REAL NOT NULL)")
beat()
threading.Thread(target=beat_on, daemon=True).start()
serve(App, arguments.port)
