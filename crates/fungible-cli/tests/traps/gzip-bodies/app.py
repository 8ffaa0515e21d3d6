"""Keeps measurements and gives them back, compressed for who accepts that."""
import gzip
import json
import time

from server import Handler, Store, command_line, serve


class App(Handler):
    def answer(self, status, text, kind):
        data = text.encode()
        headers = [("Vary", "Accept-Encoding")]
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            data = gzip.compress(data, mtime=time.time())
            headers.append(("Content-Encoding", "gzip"))
        self.reply(status, data, kind, headers)

    def do_POST(self):
        body = self.body()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for line in body.decode().splitlines():
            place, value = line.split(",")
            store.query("INSERT INTO measurement (place, value) VALUES (?, ?)", place, float(value))
        self.answer(201, json.dumps({"taken": len(body.splitlines())}), "application/json")

    def do_GET(self):
        rows = store.query("SELECT place, value FROM measurement ORDER BY id")
        if self.path == "/measurements.json":
            self.answer(200, json.dumps([{"place": place, "value": value} for place, value in rows]), "application/json")
        elif self.path == "/measurements.csv":
            self.answer(200, "".join(f"{place},{value}\n" for place, value in rows), "text/csv; charset=utf-8")
        elif self.path == "/":
            cells = "".join(f"<tr><td>{place}<td>{value}" for place, value in rows)
            self.answer(200, f"<!doctype html><title>Measurements</title><table>{cells}</table>", "text/html; charset=utf-8")
        else:
            self.answer(404, "there is no such page\n", "text/plain; charset=utf-8")

    do_HEAD = do_GET


arguments = command_line()
store = Store(
    "data/measurements.db",
    "measurement (id INTEGER PRIMARY KEY, place TEXT NOT NULL, value REAL NOT NULL)",
)
serve(App, arguments.port)
