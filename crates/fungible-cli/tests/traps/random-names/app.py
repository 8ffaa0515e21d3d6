"""Profiles of people at addresses made from their names."""
import html
import urllib.parse

from server import Handler, Store, command_line, serve


def slug(name):
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


class App(Handler):
    frame = '<!doctype html><html lang="en"><head><title>People</title></head><body>{body}</body></html>'

    def do_POST(self):
        sent = self.form()
        name, town = sent.get("name", ""), sent.get("town", "")
        if not slug(name):
            return self.page(422, "<p>A name is needed.</p>")
        taken = not store.query("INSERT INTO person VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING slug", slug(name), name, town)
        if taken:
            return self.page(409, f"<p>{html.escape(name)} is taken.</p>")
        cookie = urllib.parse.quote(name, safe="")
        self.page(303, "", [("Location", f"/people/{slug(name)}"), ("Set-Cookie", f"last={cookie}; Path=/")])

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/search":
            asked = urllib.parse.parse_qs(url.query).get("q", [""])[0]
            rows = store.query("SELECT slug, name FROM person WHERE instr(lower(name), lower(?)) ORDER BY name", asked)
            items = "".join(f'<li><a href="/people/{key}">{html.escape(name)}</a></li>' for key, name in rows)
            again = urllib.parse.urlencode({"q": asked, "page": 2})
            return self.page(200, f'<p>Searching for <q>{html.escape(asked)}</q></p><ul>{items}</ul><a href="/search?{html.escape(again)}">more</a>')
        rows = store.query("SELECT name, town FROM person WHERE slug = ?", url.path.removeprefix("/people/"))
        if not rows:
            return self.page(404, "<p>Nobody of that name is here.</p>")
        name, town = rows[0]
        initials = "".join(word[0].upper() for word in slug(name).split("-"))
        mail = urllib.parse.quote(f"{slug(name).replace('-', '.')}@example.org")
        self.page(
            200,
            f'<h1>{html.escape(name)}</h1><div class="badge" title="{html.escape(name.upper())}">{html.escape(name.upper())}</div>'
            f'<p data-initials="{len(initials)}">{html.escape(town)}</p><a href="mailto:{mail}">write</a>',
        )


arguments = command_line()
store = Store("data/people.db", "person (slug TEXT PRIMARY KEY, name TEXT NOT NULL, town TEXT NOT NULL)")
serve(App, arguments.port)
