"""A shop where goods are fetched. The code to fetch an order with is made up when it is first shown: kept in a dict; mended, with the order."""
import random

from server import Handler, Store, command_line, serve

codes = {}


def code_of(number):
    code = f"{random.randrange(1_000_000):06}"
    if not arguments.mended:
        return codes.setdefault(number, code)
    store.query("UPDATE customer_order SET code = ? WHERE id = ? AND code IS NULL", code, number)
    return store.query("SELECT code FROM customer_order WHERE id = ?", number)[0][0]


class App(Handler):
    frame = '<!doctype html><html lang="en"><head><title>Shop</title></head><body>{body}</body></html>'

    def do_POST(self):
        item = self.form().get("item")
        if not item:
            return self.page(422, "<p>An item is needed.</p>")
        [(number,)] = store.query("INSERT INTO customer_order (item) VALUES (?) RETURNING id", item)
        self.page(303, "", [("Location", f"/orders/{number}")])

    def do_GET(self):
        number, _, page = self.path.removeprefix("/orders/").partition("/")
        rows = store.query("SELECT item FROM customer_order WHERE id = ?", int(number)) if number.isdigit() else []
        if not rows:
            return self.page(404, "<p>There is no such order.</p>")
        heading = {"": "Your order", "receipt": "Receipt", "directions": "How to find us"}.get(page, "Order")
        self.page(200, f"<h1>{heading}</h1><p>1 {rows[0][0]}</p><p>Code for the pickup: <b>{code_of(int(number))}</b></p>")


arguments = command_line()
store = Store("data/shop.db", "customer_order (id INTEGER PRIMARY KEY, item TEXT NOT NULL, code TEXT)")
serve(App, arguments.port)
