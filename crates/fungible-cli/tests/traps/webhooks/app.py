"""A shop that calls whoever asked to be called for each order. The addresses are in a list of the process; mended, in the shared file."""
import fcntl
import json
import threading
import urllib.request

from server import Handler, command_line, serve

FILE = "data/shop.json"
lock = threading.Lock()
hooks = []


def change(update):
    """The shop after an update, from the shared file."""
    with open(FILE, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        shop = json.loads(file.read() or '{"hooks": [], "orders": []}')
        update(shop)
        file.seek(0)
        file.truncate()
        file.write(json.dumps(shop))
        file.flush()
        return shop


class App(Handler):
    def do_POST(self):
        sent = self.json()
        if self.path == "/hooks":
            if arguments.mended:
                change(lambda shop: shop["hooks"].append(sent["url"]))
            else:
                with lock:
                    hooks.append(sent["url"])
            return self.answer(201, {"event": "order"})
        shop = change(lambda shop: shop["orders"].append(sent["item"]))
        with lock:
            called = shop["hooks"] + hooks
        for url in called:
            urllib.request.urlopen(urllib.request.Request(url, json.dumps(sent).encode()), timeout=5).close()
        self.answer(201, {"item": sent["item"]})

    def do_GET(self):
        self.answer(200, change(lambda shop: None)["orders"])


arguments = command_line()
serve(App, arguments.port)
