"""Tickets with numbers from blocks (hi/lo): each instance takes a hundred at a time, so that not every ticket asks the store for a number."""
import threading

from server import Handler, Store, command_line, serve

BLOCK = 100
numbers_lock = threading.Lock()
numbers = iter(())


def next_number():
    global numbers
    with numbers_lock:
        number = next(numbers, None)
        if number is None:
            sql = "INSERT INTO block VALUES ('ticket', ?) ON CONFLICT (name) DO UPDATE SET next = next + ? RETURNING next"
            [(end,)] = store.query(sql, 1 + BLOCK, BLOCK)
            numbers = iter(range(end - BLOCK, end))
            number = next(numbers)
        return number


class App(Handler):
    def ticket(self):
        number = self.path.removeprefix("/tickets/")
        rows = store.query("SELECT id, title, state FROM ticket WHERE id = ?", int(number)) if number.isdigit() else []
        return dict(zip(("id", "title", "state"), rows[0])) if rows else None

    def do_POST(self):
        title = self.json().get("title")
        if not title:
            return self.answer(422, {"error": "a title is needed"})
        number = next_number()
        store.query("INSERT INTO ticket VALUES (?, ?, 'open')", number, title)
        self.answer(201, {"id": number, "title": title, "state": "open"}, [("Location", f"/tickets/{number}")])

    def do_PATCH(self):
        state = self.json().get("state")
        ticket = self.ticket()
        if not ticket:
            return self.answer(404, {"error": "no such ticket"})
        store.query("UPDATE ticket SET state = ? WHERE id = ?", state, ticket["id"])
        self.answer(200, self.ticket())

    def do_GET(self):
        if self.path == "/tickets":
            rows = store.query("SELECT id, title, state FROM ticket ORDER BY title")
            return self.answer(200, {"tickets": [dict(zip(("id", "title", "state"), row)) for row in rows]})
        ticket = self.ticket()
        self.answer(200, ticket) if ticket else self.answer(404, {"error": "no such ticket"})


arguments = command_line()
store = Store(
    "data/tickets.db",
    "block (name TEXT PRIMARY KEY, next INTEGER NOT NULL)",
    "ticket (id INTEGER PRIMARY KEY, title TEXT NOT NULL, state TEXT NOT NULL)",
)
serve(App, arguments.port)
