"""Takes texts to be set in capitals by worker.py, which shares the database."""
import secrets

from server import Handler, Store, command_line, serve


class App(Handler):
    def do_POST(self):
        text = self.json().get("text")
        if not text:
            return self.answer(422, {"error": "a text is needed"})
        key = secrets.token_urlsafe(12)
        store.query("INSERT INTO job (id, text) VALUES (?, ?)", key, text)
        self.answer(202, {"job": key}, [("Location", f"/jobs/{key}"), ("Retry-After", "0")])

    def do_GET(self):
        rows = store.query("SELECT text, result FROM job WHERE id = ?", self.path.removeprefix("/jobs/"))
        if not rows:
            return self.answer(404, {"error": "no such job"})
        text, result = rows[0]
        if result is None:
            ahead = store.query("SELECT count(*) FROM job WHERE result IS NULL")[0][0]
            return self.answer(200, {"state": "waiting", "waiting": ahead})
        self.answer(200, {"state": "done", "text": text, "result": result})


arguments = command_line()
store = Store("data/jobs.db", "job (id TEXT PRIMARY KEY, text TEXT NOT NULL, result TEXT)")
serve(App, arguments.port)
