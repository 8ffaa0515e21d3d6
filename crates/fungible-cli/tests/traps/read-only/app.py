"""A handful of pages about knots."""
import html
import urllib.parse

from server import Handler, command_line, serve

KNOTS = {"bowline": "a loop that holds", "reef": "joins two ends, for parcels only", "sheet bend": "joins two ropes"}


class App(Handler):
    frame = "<!doctype html><html><head><title>Knots</title></head><body>{body}</body></html>"

    def do_GET(self):
        name = urllib.parse.unquote(self.path.lstrip("/"))
        if name == "":
            links = "".join(f'<li><a href="/{urllib.parse.quote(knot)}">{knot}</a></li>' for knot in KNOTS)
            self.page(200, f"<ul>{links}</ul>", [("Cache-Control", "max-age=60")])
        elif name in KNOTS:
            self.page(200, f"<h1>{name}</h1><p>{html.escape(KNOTS[name])}</p>")
        else:
            self.page(404, "<p>There is no such knot.</p>")


arguments = command_line()
serve(App, arguments.port)
