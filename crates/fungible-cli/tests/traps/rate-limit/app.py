"""Takes messages, five a minute for each key. The counts are a dict; mended, a table. The messages themselves are shared in both."""
import threading
import time

from server import Handler, Store, command_line, serve

LIMIT, WINDOW = 5, 60
lock = threading.Lock()
counts = {}


def hit(key):
    """Counts one request; gives the count and the seconds until it starts anew. The window opens with its first request."""
    now = time.time()
    if arguments.mended:
        sql = """INSERT INTO hits VALUES (:key, :now, 1) ON CONFLICT (key) DO UPDATE SET
            count = CASE WHEN began < :now - :window THEN 1 ELSE count + 1 END,
            began = CASE WHEN began < :now - :window THEN :now ELSE began END RETURNING began, count"""
        with store.lock:
            [(began, count)] = store.db.execute(sql, {"key": key, "now": now, "window": WINDOW}).fetchall()
    else:
        with lock:
            began, count = counts.get(key, (now, 0))
            began, count = (now, 1) if began < now - WINDOW else (began, count + 1)
            counts[key] = (began, count)
    return count, int(began + WINDOW - now) + 1


class App(Handler):
    def do_POST(self):
        sent = self.json()
        key = self.headers.get("X-Api-Key")
        if not key:
            return self.answer(401, {"error": "a key is needed"})
        count, rest = hit(key)
        headers = [("X-RateLimit-Limit", str(LIMIT)), ("X-RateLimit-Remaining", str(max(0, LIMIT - count))), ("X-RateLimit-Reset", str(rest))]
        if count > LIMIT:
            return self.answer(429, {"error": "too many requests"}, headers + [("Retry-After", str(rest))])
        store.query("INSERT INTO message (key, text) VALUES (?, ?)", key, sent["text"])
        self.answer(201, {"text": sent["text"]}, headers)

    def do_GET(self):
        rows = store.query("SELECT text FROM message WHERE key = ? ORDER BY id", self.headers.get("X-Api-Key"))
        self.answer(200, {"messages": [text for (text,) in rows]})


arguments = command_line()
store = Store(
    "data/messages.db",
    "message (id INTEGER PRIMARY KEY, key TEXT NOT NULL, text TEXT NOT NULL)",
    "hits (key TEXT PRIMARY KEY, began REAL NOT NULL, count INTEGER NOT NULL)",
)
serve(App, arguments.port)
