"""A to-do list that logs each request to a shared file, and pages with the last lines of that log: as Apache writes them, as
`key=value` pairs, and as JSON."""
import fcntl
import json
import time

from server import Handler, Store, command_line, serve


def log(entry):
    with open("data/access.jsonl", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(entry) + "\n")


def last_entries():
    with open("data/access.jsonl") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return [json.loads(line) for line in file][-5:]


def common(entry):
    at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(entry["time"]))
    return f'127.0.0.1 - - [{at}] "{entry["method"]} {entry["path"]} HTTP/1.1" {entry["status"]} {entry["bytes"]}'


def pairs(entry):
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry["time"]))
    return f'{at} INFO served method={entry["method"]} path={entry["path"]} status={entry["status"]} duration={entry["duration"]:.6f}'


FORMATS = {
    "/log": (common, "text/plain; charset=utf-8"),
    "/log/pairs": (pairs, "text/plain; charset=utf-8"),
    "/log/json": (json.dumps, "application/x-ndjson"),
}


class App(Handler):
    def reply(self, status, data, kind, headers=()):
        entry = {"time": time.time(), "method": self.command, "path": self.path, "status": status, "bytes": len(data)}
        log(entry | {"duration": round(time.perf_counter() - self.began, 6)})
        super().reply(status, data, kind, headers)

    def parse_request(self):
        self.began = time.perf_counter()
        return super().parse_request()

    def do_GET(self):
        if self.path in FORMATS:
            line, kind = FORMATS[self.path]
            return self.reply(200, "".join(line(entry) + "\n" for entry in last_entries()).encode(), kind)
        if self.path != "/tasks":
            return self.answer(404)
        self.answer(200, [text for (text,) in store.query("SELECT text FROM task ORDER BY rowid")])

    def do_POST(self):
        text = self.json()["text"]
        store.query("INSERT INTO task (text) VALUES (?)", text)
        self.answer(201, text)


arguments = command_line()
store = Store("data/tasks.db", "task (text TEXT)")
serve(App, arguments.port)
