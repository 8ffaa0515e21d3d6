"""A price list in a database, with a cache in front: an entry is good for ever; mended, for half a second. A change clears the cache of the instance that makes it."""
import math
import time

from server import Handler, Store, command_line, serve

cache = {}


def price(name):
    """The price, and whether the cache had it."""
    price, until = cache.get(name, (None, 0))
    is_known = time.monotonic() <= until
    if not is_known:
        rows = store.query("SELECT price FROM product WHERE name = ?", name)
        price = rows[0][0] if rows else None
        cache[name] = (price, time.monotonic() + (0.5 if arguments.mended else math.inf))
    return price, "HIT" if is_known else "MISS"


class App(Handler):
    def do_GET(self):
        found, hit = price(self.path.removeprefix("/prices/"))
        self.answer(200, {"price": found}, [("X-Cache", hit)]) if found is not None else self.answer(404, {"error": "no such product"})

    def do_PUT(self):
        name = self.path.removeprefix("/prices/")
        sql = "INSERT INTO product VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET price = excluded.price"
        store.query(sql, name, self.json()["price"])
        cache.pop(name, None)
        self.answer(204)


arguments = command_line()
store = Store("data/prices.db", "product (name TEXT PRIMARY KEY, price INTEGER NOT NULL)")
serve(App, arguments.port)
