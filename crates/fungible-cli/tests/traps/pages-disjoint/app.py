"""The tags of a blog, five a page. They are in the order of a Python set, which is another in each process; mended, by name."""
import urllib.parse

from server import Handler, Store, command_line, serve

LENGTH = 5


class App(Handler):
    def do_POST(self):
        tags = self.json().get("tags", [])
        if not tags:
            return self.answer(422, {"error": "a tag is needed"})
        for tag in tags:
            store.query("INSERT INTO tag VALUES (?)", tag)
        self.answer(201, {"tags": len(tags)})

    def do_GET(self):
        page = int(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("page", ["1"])[0])
        tags = {tag for (tag,) in store.query("SELECT tag FROM tag")}
        tags = sorted(tags) if arguments.mended else list(tags)
        self.answer(200, {"tags": tags[LENGTH * (page - 1) : LENGTH * page], "pages": -(-len(tags) // LENGTH)})


arguments = command_line()
store = Store("data/blog.db", "tag (tag TEXT NOT NULL)")
serve(App, arguments.port)
