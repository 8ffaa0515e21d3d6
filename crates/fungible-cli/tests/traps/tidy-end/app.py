"""Carts as files of the shared folder. Trapped: an instance that is asked to end removes them all; killed, it cannot. --mended: it leaves
them."""
import glob
import json
import os
import signal
import sys
import uuid

from server import Handler, command_line, serve


def remove_all(*_):
    for path in glob.glob("data/cart-*"):
        os.remove(path)
    sys.exit(0)


class App(Handler):
    def path_of_cart(self):
        return f"data/cart-{self.cookie('cart')}"

    def do_POST(self):
        cart = str(uuid.uuid4())
        with open(f"data/cart-{cart}", "w") as file:
            json.dump([self.json()["item"]], file)
        self.answer(201, headers=[("Set-Cookie", f"cart={cart}; Path=/; HttpOnly")])

    def do_GET(self):
        try:
            with open(self.path_of_cart()) as file:
                self.answer(200, json.load(file))
        except FileNotFoundError:
            self.answer(404, {"error": "there is no such cart"})


arguments = command_line()
if not arguments.mended:
    signal.signal(signal.SIGTERM, remove_all)
serve(App, arguments.port)
