"""A chat over long polling: a GET opens a session, POSTs send, GETs fetch. Sessions are a dict; mended, two tables that all share."""
import json
import secrets
import time
import urllib.parse

from server import Handler, Store, command_line, serve


class InMemory:
    def __init__(self):
        self.waiting = {}

    def open(self, sid):
        self.waiting[sid] = []

    def known(self, sid):
        return sid in self.waiting

    def put(self, sid, packet):
        self.waiting[sid].append(packet)

    def take(self, sid):
        packets, self.waiting[sid] = self.waiting[sid], []
        return packets


class Shared(Store):
    def open(self, sid):
        self.query("INSERT INTO session VALUES (?)", sid)

    def known(self, sid):
        return bool(self.query("SELECT 1 FROM session WHERE sid = ?", sid))

    def put(self, sid, packet):
        self.query("INSERT INTO packet (sid, text) VALUES (?, ?)", sid, packet)

    def take(self, sid):
        return [text for _, text in sorted(self.query("DELETE FROM packet WHERE sid = ? RETURNING place, text", sid))]


class App(Handler):
    def answer(self, status, text, kind="text/plain; charset=UTF-8"):
        self.reply(status, text.encode(), kind)

    def sid(self):
        """The session of the request; without one the answer has been given."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if "sid" in query and not store.known(query["sid"]):
            self.answer(400, json.dumps({"code": 1, "message": "Session ID unknown"}), "application/json")
            return None
        return query.get("sid", "")

    def do_GET(self):
        sid = self.sid()
        if sid is None:
            return
        if sid == "":
            sid = secrets.token_urlsafe(15)
            store.open(sid)
            return self.answer(200, "0" + json.dumps({"sid": sid, "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000}))
        until = time.monotonic() + 2
        while not (packets := store.take(sid)) and time.monotonic() < until:
            time.sleep(0.01)
        self.answer(200, "\x1e".join(packets) if packets else "6")

    def do_POST(self):
        text = self.body().decode()
        sid = self.sid()
        if not sid:
            return
        for packet in text.split("\x1e"):
            if packet == "40":
                store.put(sid, '40{"ok":true}')
            elif packet.startswith("42"):
                event, value = json.loads(packet[2:])
                store.put(sid, "42" + json.dumps([event + " heard", value.upper()]))
        self.answer(200, "ok", "text/html")


arguments = command_line()
store = InMemory()
if arguments.mended:
    store = Shared("data/chat.db", "session (sid TEXT PRIMARY KEY)", "packet (place INTEGER PRIMARY KEY, sid TEXT, text TEXT)")
serve(App, arguments.port)
