"""Keeps pastes and answers with their full addresses: made from its own port; mended, from the Host that the client asked for."""
import secrets

from server import Handler, Store, command_line, serve


class App(Handler):
    def address(self, path):
        host = self.headers["Host"] if arguments.mended else f"127.0.0.1:{arguments.port}"
        return f"http://{host}{path}"

    def do_POST(self):
        text = self.body().decode()
        if not text:
            return self.answer(422, {"error": "there is nothing to keep"})
        key = secrets.token_urlsafe(9)
        store.query("INSERT INTO paste VALUES (?, ?)", key, text)
        address = self.address(f"/pastes/{key}")
        self.answer(201, {"url": address}, [("Location", address)])

    def do_GET(self):
        rows = store.query("SELECT text FROM paste WHERE id = ?", self.path.removeprefix("/pastes/"))
        if not rows:
            return self.answer(404, {"error": "no such paste"})
        self.answer(200, {"text": rows[0][0], "links": {"self": self.address(self.path), "all": self.address("/")}})


arguments = command_line()
store = Store("data/pastes.db", "paste (id TEXT PRIMARY KEY, text TEXT NOT NULL)")
serve(App, arguments.port)
