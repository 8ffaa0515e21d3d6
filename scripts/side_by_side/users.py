"""Users of the to-do list: each has a browser, and notices when an answer is not what it was told before."""

import http.client
import json
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benching import fail

# So often a user tries before it gives up.
PATIENCE = 30


@dataclass
class Answer:
    """What came back for one request: `right`, `wrong` (refused, or not what was confirmed), or `lost` (no answer, or 5xx)."""

    at: float
    instance: str
    verdict: str


class User:
    """One kept connection, its cookies, and the tasks that the service has confirmed. It never logs in twice."""

    def __init__(self, port, name):
        self.port, self.name = port, name
        self.connection, self.cookies = None, {}
        self.tasks, self.unsure, self.answers, self.clicks = {}, set(), [], 0
        self.random = random.Random(name)

    def ask(self, method, path, body=None):
        """Sends a request once: its status (0 for none), the instance that answered, and the body as JSON."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body:
            headers["Content-Type"] = "application/json"
        try:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            self.connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection = None
            return 0, "", None
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        is_json = answer.headers.get("Content-Type") == "application/json"
        return answer.status, answer.headers.get("X-Served-By", ""), json.loads(text) if is_json else None

    def note(self, status, instance, is_right):
        verdict = "right" if is_right else "lost" if status == 0 or status >= 500 else "wrong"
        self.answers.append(Answer(time.monotonic(), instance, verdict))
        return is_right

    def register(self):
        status, _, body = self.ask("POST", "/api/register", {"name": self.name, "password": "correct horse"})
        if status not in (201, 204):
            fail(f"nobody can register: {status} {body}")

    def add(self):
        """Adds a task; whether it was confirmed."""
        task, title = str(uuid.uuid4()), f"Task {self.clicks} of {self.name}"
        status, instance, _ = self.ask("PUT", f"/api/tasks/{task}", {"title": title})
        if status in (200, 201):
            self.tasks[task] = title
        elif status == 0 or status >= 500:
            self.unsure.add(task)
        return self.note(status, instance, status in (200, 201))

    def look(self):
        """Looks at the list; whether it is exactly what was confirmed."""
        status, instance, body = self.ask("GET", "/api/tasks")
        shown = {task["id"]: task["title"] for task in body["tasks"]} if status == 200 else None
        if shown:
            shown = {task: title for task, title in shown.items() if task in self.tasks or task not in self.unsure}
        return self.note(status, instance, shown == self.tasks)

    def click(self):
        """One request in four adds a task, the others look at the list."""
        self.clicks += 1
        return self.add() if self.clicks % 4 == 0 else self.look()

    def settle(self):
        """Logs in, and adds a task, trying again where it is refused: from now on there is something to lose."""
        self.register()
        if not any(self.add() for _ in range(PATIENCE)):
            fail(f"{self.name} could add no task in {PATIENCE} tries")
        self.answers.clear()

    def has_everything(self):
        """Whether one of several tries shows all that was confirmed."""
        return any(self.look() for _ in range(PATIENCE))


class Crowd:
    """Users that click in the background within the block of `with`."""

    def __init__(self, fleet, count, label, pause=0.1, unequal=False):
        self.users = [User(fleet.port, f"{label}-{number}") for number in range(count)]
        # By Zipf's law the second user clicks half as often as the first, the third a third as often, and so on.
        weights = [1 / (number + 1) if unequal else 1 for number in range(count)]
        self.pauses = [pause * sum(weights) / count / weight for weight in weights]
        self.over = threading.Event()
        with ThreadPoolExecutor(4) as several:
            list(several.map(User.settle, self.users))
        self.threads = [threading.Thread(target=self.live, args=pair) for pair in zip(self.users, self.pauses)]

    def live(self, user, pause):
        # None of them clicks in step with the others.
        while not self.over.wait(pause * user.random.uniform(0.5, 1.5)):
            user.click()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def answers(self, since=0.0, before=float("inf")):
        return [one for user in self.users for one in user.answers if since <= one.at < before]

    def losers(self):
        """How many users miss something for good. Only after the block of `with`."""
        with ThreadPoolExecutor(8) as several:
            return list(several.map(User.has_everything, self.users)).count(False)
