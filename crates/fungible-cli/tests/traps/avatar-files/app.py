"""Members with a picture each. Members are in a database; pictures are files below HOME; mended, beside the database."""
import hashlib
import html
import os

from server import Handler, Store, command_line, serve


def picture_of(name):
    """Five by five boxes in a colour, made from the name."""
    digest = hashlib.sha256(name.encode()).digest()
    boxes = "".join(f'<rect x="{n % 5}" y="{n // 5}" width="1" height="1"/>' for n in range(25) if digest[n] & 1)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 5 5" fill="#{digest[:3].hex()}">{boxes}</svg>'


class App(Handler):
    frame = "<!doctype html><title>Members</title><h1>Members</h1>{body}"

    def do_POST(self):
        name = self.form().get("name", "").strip()
        if not name:
            return self.page(422, "<p>A name is needed.</p>")
        picture = hashlib.sha256(name.encode()).hexdigest()[:20] + ".svg"
        os.makedirs(pictures, exist_ok=True)
        with open(os.path.join(pictures, picture), "w") as file:
            file.write(picture_of(name))
        store.query("INSERT OR REPLACE INTO member VALUES (?, ?)", name, picture)
        self.page(303, "", [("Location", "/members")])

    def do_GET(self):
        if self.path == "/members":
            rows = store.query("SELECT name, picture FROM member ORDER BY name")
            return self.page(200, "".join(f'<p><img src="/avatars/{picture}" alt="">{html.escape(name)}</p>' for name, picture in rows))
        try:
            with open(os.path.join(pictures, os.path.basename(self.path)), "rb") as file:
                data = file.read()
        except OSError:
            return self.page(404, "<p>There is no such picture.</p>")
        self.reply(200, data, "image/svg+xml")


arguments = command_line()
store = Store("data/members.db", "member (name TEXT PRIMARY KEY, picture TEXT NOT NULL)")
pictures = "data/avatars" if arguments.mended else os.path.expanduser("~/avatars")
serve(App, arguments.port)
