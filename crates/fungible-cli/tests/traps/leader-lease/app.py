"""Letters in a shared table. The instance that has the lease sends them, in the order in which they came; it takes the lease anew ten times a second."""
import threading
import time
import uuid

from server import Handler, Store, command_line, serve

ME = uuid.uuid4().hex
LEASE = """INSERT INTO lease VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE lease.until < ? OR lease.holder = excluded.holder RETURNING holder"""


def work():
    while True:
        now = time.time()
        if store.query(LEASE, ME, now + 0.5, now):
            store.query("UPDATE letter SET sent = 1 + (SELECT max(sent) FROM letter) WHERE id = (SELECT min(id) FROM letter WHERE sent = 0)")
        time.sleep(0.1)


class App(Handler):
    def do_GET(self):
        sent = [text for (text,) in store.query("SELECT text FROM letter WHERE sent > 0 ORDER BY sent")]
        self.answer(200, {"sent": sent})

    def do_POST(self):
        store.query("INSERT INTO letter (text, sent) VALUES (?, 0)", self.json()["text"])
        self.answer(202)


arguments = command_line()
store = Store(
    "data/letters.db",
    "letter (id INTEGER PRIMARY KEY, text TEXT NOT NULL, sent INTEGER NOT NULL)",
    "lease (id INTEGER PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL)",
)
threading.Thread(target=work, daemon=True).start()
serve(App, arguments.port)
