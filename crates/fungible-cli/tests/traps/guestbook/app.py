"""A guest book: a page with its entries and a form. The entries are a list; mended, lines of a file."""
import fcntl
import html
import json

from server import Handler, command_line, serve

memory = []


def slug(name):
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


class InMemory:
    def all(self):
        return memory

    def add(self, entry):
        memory.append(entry)


class Shared:
    def all(self):
        try:
            with open("data/guests.jsonl") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def add(self, entry):
        with open("data/guests.jsonl", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(entry) + "\n")


class App(Handler):
    frame = """<!doctype html><html lang="en"><head><title>Guest book</title></head><body><h1>Guest book</h1>{body}
<form method="post"><input name="name"><input name="text"><button>Sign</button></form></body></html>"""

    def do_GET(self):
        if self.path != "/":
            return self.page(404, "<p>There is no such page.</p>")
        entries = [
            f'<article id="{slug(entry["name"])}"><h2>{html.escape(entry["name"])}</h2><p>{html.escape(entry["text"])}</p></article>'
            for entry in guests.all()
        ]
        self.page(200, f"<p>{len(entries)} guests so far</p>" + "".join(entries))

    def do_POST(self):
        sent = self.form()
        if not sent.get("name") or not sent.get("text"):
            return self.page(422, "<p>A name and a text are needed.</p>")
        guests.add({"name": sent["name"], "text": sent["text"]})
        self.page(303, "", [("Location", f"/#{slug(sent['name'])}")])


arguments = command_line()
guests = Shared() if arguments.mended else InMemory()
serve(App, arguments.port)
