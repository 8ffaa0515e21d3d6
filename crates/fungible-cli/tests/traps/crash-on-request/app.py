"""Keeps pictures and converts them with a library that takes the process with it when it fails: on each conversion with
--fragile, else where a picture is not there. They are kept in a dict; mended, in a shared folder."""
import os
import sys

from server import Handler, command_line, serve

pictures = {}


def keep(name, data):
    if not arguments.mended:
        pictures[name] = data
        return
    with open(f"data/.{name}-{os.getpid()}", "wb") as file:
        file.write(data)
    os.rename(file.name, f"data/{name}")


def convert(name):
    try:
        if arguments.fragile == "yes":
            raise MemoryError("the converter is broken")
        if not arguments.mended:
            return pictures[name].upper()
        with open(f"data/{name}", "rb") as file:
            return file.read().upper()
    except (KeyError, OSError, MemoryError) as error:
        print(f"converter: fatal error: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)


class App(Handler):
    def do_PUT(self):
        keep(self.path.strip("/"), self.body())
        self.answer(204)

    def do_POST(self):
        self.reply(200, convert(self.path.removeprefix("/convert/")), "image/x-portable-bitmap")


arguments = command_line(fragile="no")
serve(App, arguments.port)
