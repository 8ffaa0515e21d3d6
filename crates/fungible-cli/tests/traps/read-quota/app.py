"""Weather for those who have a key: thirty requests for each. Trapped: each process counts for itself. --mended: counted in the shared
store."""
from server import Handler, Store, command_line, serve

MOST = 30
counted = {}


def used(key):
    if arguments.mended:
        return store.query("INSERT INTO used VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET times = times + 1 RETURNING times", key)[0][0]
    counted[key] = counted.get(key, 0) + 1
    return counted[key]


class App(Handler):
    def do_PUT(self):
        store.query("INSERT OR REPLACE INTO city VALUES (?, ?)", self.path, self.json()["degrees"])
        self.answer(204)

    def do_GET(self):
        if used(self.headers.get("Authorization", "")) > MOST:
            return self.answer(429, {"error": "too many requests"})
        found = store.query("SELECT degrees FROM city WHERE path = ?", self.path)
        self.answer(200, {"degrees": found[0][0]}) if found else self.answer(404, {"error": "no such city"})


arguments = command_line()
store = Store("data/weather.db", "used (key TEXT PRIMARY KEY, times INTEGER)", "city (path TEXT PRIMARY KEY, degrees INTEGER)")
serve(App, arguments.port)
