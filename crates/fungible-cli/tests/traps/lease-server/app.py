"""Gives one of several workers the lead for a minute. Who has it is a variable; mended, a row of a shared table."""
import threading
import time

from server import Handler, Store, command_line, serve

lock = threading.Lock()
leader, until = None, 0.0


def in_memory(worker, now, seconds):
    global leader, until
    with lock:
        if now > until or worker == leader:
            leader, until = worker, now + seconds
        return leader


def in_table(worker, now, seconds):
    sql = "INSERT INTO lead VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET worker = excluded.worker, until = excluded.until"
    store.query(f"{sql} WHERE lead.until < ? OR lead.worker = excluded.worker", worker, now + seconds, now)
    return store.query("SELECT worker FROM lead")[0][0]


class App(Handler):
    def do_POST(self):
        worker = self.json()["worker"]
        self.answer(200, {"leads": lead(worker, time.time(), 60) == worker})


arguments = command_line()
store = Store("data/lead.db", "lead (id INTEGER PRIMARY KEY, worker TEXT NOT NULL, until REAL NOT NULL)")
lead = in_table if arguments.mended else in_memory
serve(App, arguments.port)
