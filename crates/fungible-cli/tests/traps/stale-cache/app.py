"""A price list in a database, with a cache in front. A change clears the cache of the instance that makes it; mended, each entry is checked against the version."""
from server import Handler, Store, command_line, serve

cache = {}


def product(name):
    if arguments.mended and name in cache:
        rows = store.query("SELECT version FROM product WHERE name = ?", name)
        if not rows or rows[0][0] != cache[name]["version"]:
            del cache[name]
    if name not in cache:
        rows = store.query("SELECT price, version FROM product WHERE name = ?", name)
        if not rows:
            return None
        cache[name] = {"name": name, "price": rows[0][0], "version": rows[0][1]}
    return cache[name]


class App(Handler):
    def do_GET(self):
        if self.path == "/products":
            names = [name for (name,) in store.query("SELECT name FROM product ORDER BY name")]
            return self.answer(200, {"products": names})
        found = product(self.path.removeprefix("/products/"))
        self.answer(200, found) if found else self.answer(404, {"error": "no such product"})

    def do_PUT(self):
        name = self.path.removeprefix("/products/")
        price = self.json().get("price")
        if not isinstance(price, int) or price < 0:
            return self.answer(422, {"error": "a price is a whole number of cents"})
        store.query(
            "INSERT INTO product VALUES (?, ?, 1) ON CONFLICT (name) DO UPDATE SET price = excluded.price, version = version + 1",
            name,
            price,
        )
        cache.pop(name, None)
        self.answer(200, product(name))


arguments = command_line()
store = Store("data/prices.db", "product (name TEXT PRIMARY KEY, price INTEGER NOT NULL, version INTEGER NOT NULL)")
serve(App, arguments.port)
