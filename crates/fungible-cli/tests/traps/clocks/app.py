"""A log of what happened, with the time in every form that people like."""
import datetime
import email.utils
import html
import time

from server import Handler, Store, command_line, serve


def ago(seconds):
    for length, name in ((3600, "hour"), (60, "minute")):
        if seconds >= length:
            return f"{int(seconds // length)} {name}{'s' if seconds >= 2 * length else ''} ago"
    return "1 second ago" if int(seconds) == 1 else f"{int(seconds)} seconds ago"


class App(Handler):
    frame = """<!doctype html><html lang="en"><head><title>Log</title></head><body>{body}</body></html>"""

    def answer(self, status, body, headers=()):
        took = (time.perf_counter() - self.began) * 1000
        times = [
            ("Server-Timing", f"app;dur={took:.2f}"),
            ("X-Runtime", f"{took / 1000:.6f}"),
            ("Expires", email.utils.formatdate(time.time() + 60, usegmt=True)),
        ]
        answer = self.page if isinstance(body, str) else super().answer
        answer(status, body, [*headers, *times])

    def do_GET(self):
        self.began = time.perf_counter()
        now = time.time()
        events = store.query("SELECT text, at FROM event ORDER BY id")
        if self.path == "/":
            rows = "".join(
                f'<li>{html.escape(text)} <time datetime="{datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat()}">{ago(now - at)}</time></li>'
                for text, at in events
            )
            clock = datetime.datetime.fromtimestamp(now, datetime.UTC)
            self.answer(200, f"<h1>Log</h1><ol>{rows}</ol><p>It is {clock:%A, %d %B %Y, %H:%M:%S}.</p>")
        elif self.path == "/api/events":
            listed = [{"text": text, "at_ms": int(at * 1000), "age": round(now - at, 3)} for text, at in events]
            self.answer(200, {"now": now, "events": listed, "took": f"{(time.perf_counter() - self.began) * 1000:.1f}ms"})
        else:
            self.answer(404, {"error": "no such page", "timestamp": email.utils.formatdate(now, usegmt=True)})

    def do_POST(self):
        self.began = time.perf_counter()
        text = self.form().get("text")
        if not text:
            return self.answer(422, {"error": "a text is needed", "timestamp": int(time.time())})
        store.query("INSERT INTO event (text, at) VALUES (?, ?)", text, time.time())
        last = email.utils.formatdate(time.time(), usegmt=True)
        self.answer(303, "", [("Location", "/"), ("Last-Modified", last)])


arguments = command_line()
store = Store("data/log.db", "event (id INTEGER PRIMARY KEY, text TEXT NOT NULL, at REAL NOT NULL)")
serve(App, arguments.port)
