"""A dictionary that loads its words in the background: it listens at once and says 503 until they are there."""
import threading
import time

from server import Handler, Store, command_line, serve

WARM_UP = 0.15  # seconds
ready = threading.Event()
words = {}


def warm_up():
    time.sleep(WARM_UP)
    words.update({"mug": "a cup with a handle", "sock": "a bag for a foot"})
    ready.set()


class App(Handler):
    def warming(self):
        if ready.is_set():
            return False
        self.answer(503, {"error": "warming up"}, [("Retry-After", "1")])
        return True

    def do_GET(self):
        if self.warming():
            return
        word = self.path.removeprefix("/words/")
        if self.path == "/health":
            return self.answer(200, {"ok": True})
        rows = store.query("SELECT meaning FROM word WHERE word = ?", word)
        meaning = rows[0][0] if rows else words.get(word)
        self.answer(200, {"word": word, "meaning": meaning}) if meaning else self.answer(404, {"error": "no such word"})

    def do_PUT(self):
        sent = self.json()
        if self.warming():
            return
        word = self.path.removeprefix("/words/")
        store.query("INSERT OR REPLACE INTO word VALUES (?, ?)", word, sent["meaning"])
        self.answer(200, {"word": word, "meaning": sent["meaning"]})


arguments = command_line()
store = Store("data/words.db", "word (word TEXT PRIMARY KEY, meaning TEXT NOT NULL)")
threading.Thread(target=warm_up, daemon=True).start()
serve(App, arguments.port)
