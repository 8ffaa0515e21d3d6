"""Keeps files, and gives links to them that are good for a minute, as object stores do."""
import hashlib
import hmac
import time
import urllib.parse

from server import Handler, Store, command_line, serve

KEY = b"of all instances: aa17"


def signature(method, name, expires):
    return hmac.new(KEY, f"{method} {name} {expires}".encode(), hashlib.sha256).hexdigest()


class App(Handler):
    def allowed(self):
        """The name, if the link is good; without that the answer has been given."""
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query))
        name, expires = url.path.removeprefix("/objects/"), asked.get("expires", "0")
        if not hmac.compare_digest(signature(self.command, name, expires), asked.get("signature", "")):
            self.answer(403, {"error": "SignatureDoesNotMatch"})
        elif float(expires) < time.time():
            self.answer(403, {"error": "RequestHasExpired"})
        else:
            return name

    def do_POST(self):
        sent = self.json()
        expires = str(int(time.time()) + 60)
        query_string = urllib.parse.urlencode({"expires": expires, "signature": signature(sent["method"], sent["name"], expires)})
        self.answer(200, {"url": f"http://{self.headers['Host']}/objects/{sent['name']}?{query_string}"})

    def do_PUT(self):
        data = self.body()
        name = self.allowed()
        if name:
            store.query("INSERT OR REPLACE INTO object VALUES (?, ?)", name, data)
            self.answer(200, {"stored": len(data)}, [("ETag", f'"{hashlib.md5(data).hexdigest()}"')])

    def do_GET(self):
        name = self.allowed()
        rows = store.query("SELECT data FROM object WHERE name = ?", name) if name else None
        if name:
            self.answer(200, {"hex": rows[0][0].hex()}) if rows else self.answer(404, {"error": "NoSuchKey"})


arguments = command_line()
store = Store("data/store.db", "object (name TEXT PRIMARY KEY, data BLOB NOT NULL)")
serve(App, arguments.port)
