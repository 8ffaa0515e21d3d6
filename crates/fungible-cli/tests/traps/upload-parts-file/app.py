"""Takes a file in two halves. The halves wait in ./parts of the working directory; mended, in the folder that all share, as the files do."""
import os
import secrets

from server import Handler, command_line, serve


def save(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    draft = f"{path}.{secrets.token_hex(4)}"
    with open(draft, "wb") as file:
        file.write(data)
    os.rename(draft, path)


def load(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


class App(Handler):
    def do_PUT(self):
        data = self.body()
        _, _, name, number = self.path.split("/")
        if number not in ("1", "2"):
            return self.answer(422, {"error": "there are two halves"})
        save(f"{parts}/{os.path.basename(name)}.{number}", data)
        self.answer(202, {"half": int(number), "bytes": len(data)})

    def do_POST(self):
        name = os.path.basename(self.path)
        halves = [load(f"{parts}/{name}.{number}") for number in "12"]
        if None in halves:
            return self.answer(409, {"error": "a half is missing"})
        save(f"data/files/{name}", b"".join(halves))
        self.answer(201, {"name": name, "bytes": sum(map(len, halves))})

    def do_GET(self):
        data = load(f"data/files/{os.path.basename(self.path)}")
        if data is None:
            return self.answer(404, {"error": "no such file"})
        self.answer(200, {"text": data.decode()})


arguments = command_line()
parts = "data/parts" if arguments.mended else "parts"
serve(App, arguments.port)
