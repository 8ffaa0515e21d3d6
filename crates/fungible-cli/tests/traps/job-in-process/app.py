"""Makes reports on request: 202, then poll. A thread of this process works; mended, the work is a row in a table, and each poll does one step of it."""
import threading
import time
import uuid

from server import Handler, Store, command_line, serve

STEPS = 3
jobs = {}


def step(topic, done):
    """A step of the work: counts the letters of one word."""
    time.sleep(0.01)
    words = topic.split()
    return len(words[done]) if done < len(words) else 0


def work(key):
    job = jobs[key]
    while job["done"] < STEPS:
        time.sleep(0.03)
        job["words"] += step(job["topic"], job["done"])
        job["done"] += 1


def start(key, topic):
    if arguments.mended:
        store.query("INSERT INTO job VALUES (?, ?, 0, 0)", key, topic)
    else:
        jobs[key] = {"topic": topic, "done": 0, "words": 0}
        threading.Thread(target=work, args=(key,), daemon=True).start()


def look(key):
    if not arguments.mended:
        return jobs.get(key)
    rows = store.query("SELECT topic, done FROM job WHERE id = ?", key)
    if not rows:
        return None
    topic, done = rows[0]
    if done < STEPS:  # two at once may do the same step; it counts once
        store.query("UPDATE job SET done = done + 1, words = words + ? WHERE id = ? AND done = ?", step(topic, done), key, done)
    [(topic, done, words)] = store.query("SELECT topic, done, words FROM job WHERE id = ?", key)
    return {"topic": topic, "done": done, "words": words}


class App(Handler):
    def do_POST(self):
        sent = self.json()
        if self.path != "/reports" or not sent.get("topic"):
            return self.answer(422, {"error": "a report needs a topic"})
        key = str(uuid.uuid4())
        start(key, sent["topic"])
        self.answer(202, {"id": key, "status": "queued"}, [("Location", f"/reports/{key}")])

    def do_GET(self):
        job = look(self.path.removeprefix("/reports/"))
        if not job:
            return self.answer(404, {"error": "no such report"})
        if job["done"] < STEPS:
            return self.answer(200, {"status": "running", "progress": round(job["done"] / STEPS, 2)})
        self.answer(200, {"status": "done", "topic": job["topic"], "letters": job["words"]})


arguments = command_line()
if arguments.mended:
    table = "job (id TEXT PRIMARY KEY, topic TEXT NOT NULL, done INTEGER NOT NULL, words INTEGER NOT NULL)"
    store = Store("data/reports.db", table)
serve(App, arguments.port)
