"""Notes in a shared database, whose tables each instance prepares when it starts, under a lock. Trapped: whoever finds the lock taken gives up. --mended: it waits."""
import fcntl
import sys
import time

from server import Handler, Store, command_line, serve


class App(Handler):
    def do_POST(self):
        store.query("INSERT INTO note VALUES (?)", self.json()["text"])
        self.answer(201)

    def do_GET(self):
        self.answer(200, [text for (text,) in store.query("SELECT text FROM note ORDER BY rowid")])


arguments = command_line()
with open("data/.preparing", "w") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if arguments.mended else fcntl.LOCK_NB))
    except BlockingIOError:
        sys.exit("another instance prepares the tables")
    store = Store("data/notes.db", "note (text TEXT NOT NULL)")
    time.sleep(0.3)  # for the rest of the preparation
serve(App, arguments.port)
