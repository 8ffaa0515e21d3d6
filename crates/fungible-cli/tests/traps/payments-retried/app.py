"""Payments. A request with a key that was seen before is answered as the first time."""
from server import Handler, Store, command_line, serve

seen = {}


class App(Handler):
    def do_GET(self):
        paid = store.query("SELECT sum, purpose FROM payment ORDER BY rowid")
        self.answer(200, {"payments": [{"sum": sum, "purpose": purpose} for sum, purpose in paid]})

    def do_POST(self):
        key, payment = self.headers["Idempotency-Key"], self.json()
        if not arguments.mended and key in seen:
            return self.answer(201, seen[key])
        seen[key] = {"paid": payment["sum"]}
        stored = key if arguments.mended else None  # of rows without a key there may be many
        store.query("INSERT OR IGNORE INTO payment VALUES (?, ?, ?)", stored, payment["sum"], payment["purpose"])
        self.answer(201, seen[key])


arguments = command_line()
store = Store("data/payments.db", "payment (key TEXT UNIQUE, sum INTEGER NOT NULL, purpose TEXT NOT NULL)")
serve(App, arguments.port)
