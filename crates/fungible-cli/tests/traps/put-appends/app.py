"""A cart in the shared database."""
from server import Handler, Store, command_line, serve


class App(Handler):
    def do_GET(self):
        things = store.query("SELECT name, version FROM thing ORDER BY rowid")
        self.answer(200, {"things": [{"name": name, "version": version} for name, version in things]})

    def do_PUT(self):
        name = self.path.removeprefix("/cart/")
        if arguments.mended:
            store.query("UPDATE thing SET version = version + 1 WHERE name = ?", name)
        known = arguments.mended and store.query("SELECT name FROM thing WHERE name = ?", name)
        if not known:
            store.query("INSERT INTO thing VALUES (?, 1)", name)
        self.answer(204)


arguments = command_line()
store = Store("data/cart.db", "thing (name TEXT NOT NULL, version INTEGER NOT NULL)")
serve(App, arguments.port)
