"""Tickets of a concert, in a file in the shared folder. Each sale reads the file, takes a moment, and writes it; a lock lets one sale after the other do so.
Trapped: the lock is one of the process. --mended: it is one of the file system."""
import contextlib
import fcntl
import json
import os
import threading
import time

from server import Handler, command_line, serve

STOCK = "data/stock.json"
in_process = threading.Lock()


@contextlib.contextmanager
def of_file():
    with open("data/.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def read():
    try:
        with open(STOCK) as file:
            return json.load(file)
    except FileNotFoundError:
        return {"left": 100}


def sell(count):
    stock = read()
    time.sleep(0.05)  # for what else a sale does
    stock["left"] -= count
    new = f"{STOCK}.{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}"
    with open(new, "w") as file:
        json.dump(stock, file)
    os.rename(new, STOCK)


class App(Handler):
    def do_POST(self):
        count = self.json()["count"]
        with of_file() if arguments.mended else in_process:
            sell(count)
        self.answer(201, {"sold": count})

    def do_GET(self):
        self.answer(200, read())


arguments = command_line()
serve(App, arguments.port)
