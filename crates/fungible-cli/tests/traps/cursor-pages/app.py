"""A list of events in pages. A cursor is the id of the last one seen, encoded; ids are UUIDs that begin with the time."""
import base64
import secrets
import time
import urllib.parse
import uuid

from server import Handler, Store, command_line, serve


def new_id(now):
    raw = bytearray(now.to_bytes(6, "big") + secrets.token_bytes(10))
    raw[6], raw[8] = raw[6] & 0x0F | 0x70, raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


class App(Handler):
    def do_POST(self):
        name = self.json().get("name")
        if not name:
            return self.answer(422, {"error": "a name is needed", "request_id": str(uuid.uuid4())})
        now = time.time_ns() // 1_000_000
        event = {"id": new_id(now), "name": name, "created_at": now}
        store.query("INSERT INTO event VALUES (?, ?, ?)", event["id"], name, now)
        self.answer(201, event, [("X-Request-Id", str(uuid.uuid4()))])

    def do_GET(self):
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        after = base64.urlsafe_b64decode(asked["cursor"]).decode() if "cursor" in asked else ""
        rows = store.query("SELECT id, name, created_at FROM event WHERE id > ? ORDER BY id LIMIT 3", after)
        page, more = rows[:2], len(rows) > 2
        cursor = base64.urlsafe_b64encode(page[-1][0].encode()).decode() if more else None
        links = [("Link", f'</events?cursor={urllib.parse.quote(cursor)}>; rel="next"')] if more else []
        self.answer(200, {"data": [dict(zip(("id", "name", "created_at"), row)) for row in page], "next": cursor}, links)


arguments = command_line()
store = Store("data/events.db", "event (id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at INTEGER NOT NULL)")
serve(App, arguments.port)
