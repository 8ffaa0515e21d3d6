"""Auctions, in the shared database. A bid prolongs its auction by a second."""
import datetime
import time
import uuid

from server import Handler, Store, command_line, serve

prolonged = {}


def end(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).isoformat(timespec="milliseconds")


class App(Handler):
    def do_POST(self):
        if self.path == "/auctions":
            auction = str(uuid.uuid4())
            store.query("INSERT INTO auction VALUES (?, ?, 0)", auction, time.time() + 90)
            return self.answer(201, {"id": auction})
        auction = self.path.split("/")[2]
        store.query("UPDATE auction SET bid = max(bid, ?) WHERE id = ?", self.json()["bid"], auction)
        if arguments.mended:
            store.query("UPDATE auction SET ends = ends + 1 WHERE id = ?", auction)
        else:
            prolonged[auction] = prolonged.get(auction, 0) + 1
        self.answer(200, self.auction(auction))

    def do_GET(self):
        self.answer(200, self.auction(self.path.split("/")[2]))

    def auction(self, auction):
        (ends, bid), = store.query("SELECT ends, bid FROM auction WHERE id = ?", auction)
        return {"id": auction, "ends": end(ends + prolonged.get(auction, 0)), "bid": bid}


arguments = command_line()
store = Store("data/auctions.db", "auction (id TEXT PRIMARY KEY, ends REAL NOT NULL, bid INTEGER NOT NULL)")
serve(App, arguments.port)
