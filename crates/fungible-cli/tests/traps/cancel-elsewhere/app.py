"""Renders films, frame by frame, and stops when told; a stop is acknowledged whether the film is being rendered or not. Trapped: the films that are being
rendered are a set of the process. --mended: they are in the shared database."""
import threading
import time

from server import Handler, Store, command_line, serve

FRAMES = 12
running, lock = set(), threading.Lock()


def start(film):
    if arguments.mended:
        store.query("INSERT OR IGNORE INTO running VALUES (?)", film)
    with lock:
        running.add(film)


def stop(film):
    if arguments.mended:
        store.query("DELETE FROM running WHERE film = ?", film)
    with lock:
        running.discard(film)


def goes_on(film):
    if arguments.mended:
        return bool(store.query("SELECT 1 FROM running WHERE film = ?", film))
    with lock:
        return film in running


class App(Handler):
    def do_POST(self):
        """Told to stop a film, or to render one and to say in the end how that ended."""
        film, what = self.path.split("/")[2:]
        if what == "stop":
            stop(film)
            return self.answer(202)
        start(film)
        for _ in range(FRAMES):
            if not goes_on(film):
                return self.answer(200, {"film": film, "end": "stopped"})
            time.sleep(0.1)
        self.answer(200, {"film": film, "end": "complete"})


arguments = command_line()
store = Store("data/films.db", "running (film TEXT PRIMARY KEY)")
serve(App, arguments.port)
