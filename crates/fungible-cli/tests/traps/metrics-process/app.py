"""A to-do list in a shared store, and a page of metrics with figures of the process."""
import uuid

from server import Handler, Store, command_line, process_metrics, serve


class App(Handler):
    def do_GET(self):
        if self.path == "/metrics":
            page = process_metrics() + "# EOF\n"
            return self.reply(200, page.encode(), "application/openmetrics-text; version=1.0.0; charset=utf-8")
        if self.path != "/tasks":
            return self.answer(404)
        tasks = store.query("SELECT id, text FROM task ORDER BY rowid")
        self.answer(200, [{"id": id, "text": text} for id, text in tasks])

    def do_POST(self):
        if self.path != "/tasks":
            return self.answer(404)
        task = {"id": str(uuid.uuid4()), "text": self.json()["text"]}
        store.query("INSERT INTO task (id, text) VALUES (?, ?)", task["id"], task["text"])
        self.answer(201, task)


arguments = command_line()
store = Store("data/tasks.db", "task (id TEXT PRIMARY KEY, text TEXT)")
serve(App, arguments.port)
