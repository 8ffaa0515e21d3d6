"""Notices, kept in a shared table and told by server-sent events: to the queues of those who listen here; mended, each listener asks the table.
A listener who has a notice called "end" is let go."""
import queue
import time

from server import Handler, Store, command_line, serve

listeners = set()


def from_queue():
    mine = queue.Queue()
    listeners.add(mine)
    try:
        yield None
        while True:
            yield mine.get()
    finally:
        listeners.discard(mine)


def from_table():
    [(seen,)] = store.query("SELECT coalesce(max(id), 0) FROM notice")
    yield None
    while True:
        for seen, text in store.query("SELECT id, text FROM notice WHERE id > ? ORDER BY id", seen):
            yield text
        time.sleep(0.02)


class App(Handler):
    def do_GET(self):
        if self.path == "/notices":
            return self.answer(200, {"notices": [text for (text,) in store.query("SELECT text FROM notice ORDER BY id")]})
        notices = from_table() if arguments.mended else from_queue()
        next(notices)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"event: hello\ndata: -\n\n")
        self.wfile.flush()
        self.close_connection = True
        for text in notices:
            self.wfile.write(f"data: {text}\n\n".encode())
            self.wfile.flush()
            if text == "end":
                return

    def do_POST(self):
        text = self.json()["text"]
        store.query("INSERT INTO notice (text) VALUES (?)", text)
        for listener in list(listeners):
            listener.put(text)
        self.answer(202)


arguments = command_line()
store = Store("data/notices.db", "notice (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
serve(App, arguments.port)
