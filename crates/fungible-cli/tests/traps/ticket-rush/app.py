"""Numbered tickets, each a shared file with its owner. The next number is read, and written, under a lock. Trapped: it is one of the process.
--mended: one of the file."""
import contextlib
import fcntl
import threading
import time

from server import Handler, command_line, serve

lock = threading.Lock()


@contextlib.contextmanager
def of_the_file():
    with open("data/.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read(path, default):
    try:
        with open(path) as file:
            return file.read() or default
    except FileNotFoundError:
        return default


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


class App(Handler):
    def do_POST(self):
        with of_the_file() if arguments.mended else lock:
            number = int(read("data/last", "0")) + 1
            time.sleep(0.01)  # as long as a real database may take
            write("data/last", str(number))
            write(f"data/ticket-{number}", self.json()["owner"])
        self.answer(201, {"number": number})

    def do_GET(self):
        owner = read(f"data/ticket-{int(self.path.rpartition('/')[2])}", None)
        self.answer(200, {"owner": owner}) if owner else self.answer(404)


arguments = command_line()
serve(App, arguments.port)
