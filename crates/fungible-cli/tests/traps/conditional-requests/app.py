"""A wiki with conditional requests: ETags made from the content, times from the database."""
import email.utils
import hashlib
import time

from server import Handler, Store, command_line, serve


def tag(text):
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'


class App(Handler):
    def answer(self, status, text="", headers=()):
        self.reply(status, text.encode(), "text/plain; charset=utf-8", headers)

    def page(self):
        rows = store.query("SELECT text, changed FROM page WHERE name = ?", self.path)
        return rows[0] if rows else (None, None)

    def do_GET(self):
        text, changed = self.page()
        if text is None:
            return self.answer(404, "There is no such page.\n")
        headers = [("ETag", tag(text)), ("Last-Modified", email.utils.formatdate(changed, usegmt=True)), ("Cache-Control", "no-cache")]
        given = self.headers.get("If-None-Match")
        since = self.headers.get("If-Modified-Since")
        if given == tag(text) or (not given and since and changed <= email.utils.parsedate_to_datetime(since).timestamp()):
            return self.answer(304, headers=headers)
        self.answer(200, text, headers)

    do_HEAD = do_GET

    def do_PUT(self):
        sent = self.body().decode()
        text, _ = self.page()
        wanted = self.headers.get("If-Match")
        if (wanted and (text is None or wanted != tag(text))) or (self.headers.get("If-None-Match") == "*" and text is not None):
            return self.answer(412, "Somebody was faster.\n")
        store.query("INSERT OR REPLACE INTO page VALUES (?, ?, ?)", self.path, sent, int(time.time()))
        self.answer(201 if text is None else 204, headers=[("ETag", tag(sent))])


arguments = command_line()
store = Store("data/wiki.db", "page (name TEXT PRIMARY KEY, text TEXT NOT NULL, changed INTEGER NOT NULL)")
serve(App, arguments.port)
