"""A library whose catalogue is searched through an index of the process, loaded after its start. The port is open before; mended, after it."""
import threading
import time

from server import Handler, Store, command_line, serve


def load():
    time.sleep(0.8)  # as a large index takes
    loaded.set()


class App(Handler):
    def do_GET(self):
        word = self.path.removeprefix("/search/")
        rows = store.query("SELECT title FROM book WHERE title LIKE ? ORDER BY rowid", f"%{word}%") if loaded.is_set() else []
        self.answer(200, {"books": [title for (title,) in rows]})

    def do_POST(self):
        store.query("INSERT INTO book VALUES (?)", self.json()["title"])
        self.answer(201, {})


arguments = command_line()
store = Store("data/books.db", "book (title TEXT NOT NULL)")
loaded = threading.Event()
if arguments.mended:
    load()
else:
    threading.Thread(target=load, daemon=True).start()
serve(App, arguments.port)
