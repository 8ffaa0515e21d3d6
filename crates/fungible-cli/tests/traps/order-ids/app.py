"""Takes orders. Numbers come from itertools.count; mended, from the database. The orders are in the database in both."""
import itertools

from server import Handler, Store, command_line, serve

numbers = itertools.count(1)


class App(Handler):
    def do_POST(self):
        item = self.json().get("item")
        if not item:
            return self.answer(422, {"error": "an item is needed"})
        number = None if arguments.mended else next(numbers)
        [(number,)] = store.query("INSERT OR REPLACE INTO customer_order (id, item) VALUES (?, ?) RETURNING id", number, item)
        self.answer(201, {"id": number, "item": item}, [("Location", f"/orders/{number}")])

    def do_GET(self):
        if self.path == "/orders":
            rows = store.query("SELECT id, item FROM customer_order ORDER BY id")
            return self.answer(200, {"orders": [{"id": number, "item": item} for number, item in rows]})
        number = self.path.removeprefix("/orders/")
        rows = store.query("SELECT item FROM customer_order WHERE id = ?", int(number)) if number.isdigit() else []
        self.answer(200, {"id": int(number), "item": rows[0][0]}) if rows else self.answer(404, {"error": "no such order"})


arguments = command_line()
store = Store("data/orders.db", "customer_order (id INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT NOT NULL)")
serve(App, arguments.port)
