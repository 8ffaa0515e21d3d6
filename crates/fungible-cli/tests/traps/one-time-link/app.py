"""Links to set a new password: signed with a key that all instances have, so that none has to be kept. Those that were used are in a set; mended, in a shared table."""
import hashlib
import hmac
import secrets

from server import Handler, Store, command_line, serve

KEY = b"of all instances: 71d0"
used = set()


def sign(text):
    return f"{text}.{hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()}"


def use(link):
    """Whether this is its first use."""
    if arguments.mended:
        return bool(store.query("INSERT INTO used VALUES (?) ON CONFLICT DO NOTHING RETURNING link", link))
    first = link not in used
    used.add(link)
    return first


class App(Handler):
    def do_POST(self):
        asked = self.json()
        if self.path == "/links":
            return self.answer(201, {"link": sign(f"{asked['user']}.{secrets.token_hex(12)}")})
        if self.path == "/login":
            rows = store.query("SELECT 1 FROM user WHERE name = ? AND password = ?", asked["user"], asked["password"])
            return self.answer(204) if rows else self.answer(401, {"error": "wrong name or password"})
        link = self.path.removeprefix("/passwords/")
        text = link.rpartition(".")[0]
        if not hmac.compare_digest(link, sign(text)):
            return self.answer(403, {"error": "that is no link of ours"})
        if not use(link):
            return self.answer(410, {"error": "this link was used"})
        name = text.partition(".")[0]
        sql = "INSERT INTO user VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET password = excluded.password"
        store.query(sql, name, asked["password"])
        self.answer(200, {"user": name})


arguments = command_line()
store = Store("data/users.db", "user (name TEXT PRIMARY KEY, password TEXT NOT NULL)", "used (link TEXT PRIMARY KEY)")
serve(App, arguments.port)
