"""Recipes in a key-value file. Like those of LevelDB or GDBM it may be open in one process only, so it is opened for each request."""
import contextlib
import fcntl
import json
import os

from server import Handler, command_line, serve


class KeyValueFile:
    def __init__(self, path):
        self.lock = open(f"{path}.lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.path = path
        try:
            with open(path) as file:
                self.values = json.load(file)
        except FileNotFoundError:
            self.values = {}

    def put(self, key, value):
        self.values[key] = value
        with open(f"{self.path}.new", "w") as file:
            json.dump(self.values, file)
        os.rename(f"{self.path}.new", self.path)

    def close(self):
        self.lock.close()


def recipes():
    return contextlib.closing(KeyValueFile("data/recipes"))


class App(Handler):
    def do_GET(self):
        with recipes() as opened:
            found = opened.values.get(self.path)
        self.answer(200, found) if found else self.answer(404, {"error": "no such recipe"})

    def do_PUT(self):
        recipe = self.json()
        with recipes() as opened:
            opened.put(self.path, recipe)
        self.answer(204)


arguments = command_line()
serve(App, arguments.port)
