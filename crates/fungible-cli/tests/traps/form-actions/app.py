"""A guest book whose form names its action by the version of the app, as frameworks with hashed action ids do. Trapped: an instance knows only
the actions of its own version. --mended: also those of the version before and after."""
import html

from server import Handler, Store, command_line, serve


class App(Handler):
    def do_POST(self):
        known = [f"/actions/sign-{version}" for version in (1, 2) if arguments.mended or version == int(arguments.version)]
        if self.path not in known:
            return self.page(404, "<p>There is no such action.</p>")
        store.query("INSERT INTO entry VALUES (?)", self.form()["name"])
        self.reply(303, b"", "text/plain", [("Location", "/")])

    def do_GET(self):
        names = "".join(f"<li>{html.escape(name)}</li>" for (name,) in store.query("SELECT name FROM entry ORDER BY rowid"))
        self.page(200, f'<ul>{names}</ul><form method="post" action="/actions/sign-{arguments.version}"><input name="name"></form>')


arguments = command_line(version="2")
store = Store("data/guests.db", "entry (name TEXT NOT NULL)")
serve(App, arguments.port)
