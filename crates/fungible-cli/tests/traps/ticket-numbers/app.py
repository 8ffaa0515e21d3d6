"""A ticket machine that goes on from the highest number in the shared database: read at the start, and counted here; mended, with each ticket."""
import threading

from server import Handler, Store, command_line, serve

lock = threading.Lock()


class App(Handler):
    def do_POST(self):
        global last
        name = self.json()["name"]
        if arguments.mended:
            [(number,)] = store.query("INSERT INTO ticket SELECT COALESCE(MAX(number), 0) + 1, ? FROM ticket RETURNING number", name)
        else:
            with lock:
                last += 1
                number = last
            store.query("INSERT INTO ticket VALUES (?, ?)", number, name)
        self.answer(201, {"number": number})

    def do_GET(self):
        rows = store.query("SELECT name FROM ticket WHERE number = ? ORDER BY rowid", int(self.path.removeprefix("/tickets/")))
        self.answer(200, {"name": rows[0][0]}) if rows else self.answer(404, {"error": "no such ticket"})


arguments = command_line()
store = Store("data/tickets.db", "ticket (number INTEGER NOT NULL, name TEXT NOT NULL)")
[(count,)] = store.query("SELECT COUNT(*) FROM ticket")
if not count:
    store.query("INSERT INTO ticket VALUES (40, 'yesterday')")
[(last,)] = store.query("SELECT MAX(number) FROM ticket")
serve(App, arguments.port)
