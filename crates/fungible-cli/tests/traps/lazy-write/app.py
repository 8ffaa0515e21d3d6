"""A journal in a shared file. Entries are collected and written five times a second, for speed; mended, each is written before the answer."""
import fcntl
import json
import os
import signal
import sys
import threading
import uuid

from server import Handler, command_line, serve

FILE = "data/journal.jsonl"
lock = threading.Lock()
unwritten = []


def append(entries):
    with open(FILE, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.writelines(json.dumps(entry) + "\n" for entry in entries)
        file.flush()
        os.fsync(file.fileno())


def flush():
    with lock:
        if unwritten:
            append(unwritten)
            unwritten.clear()


def add(entry):
    if arguments.mended:
        return append([entry])
    with lock:
        unwritten.append(entry)
        if len(unwritten) == 1:
            timer = threading.Timer(0.2, flush)
            timer.daemon = True
            timer.start()


def entries():
    with lock:
        try:
            with open(FILE) as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                return [json.loads(line) for line in file] + unwritten
        except FileNotFoundError:
            return list(unwritten)


class App(Handler):
    def do_POST(self):
        sent = self.json()
        if not isinstance(sent.get("amount"), int):
            return self.answer(422, {"error": "an amount is needed"})
        entry = {"id": str(uuid.uuid4()), "account": sent["account"], "amount": sent["amount"]}
        add(entry)
        self.answer(201, entry)

    def do_GET(self):
        if self.path == "/entries":
            return self.answer(200, {"entries": entries()})
        account = self.path.removeprefix("/balances/")
        self.answer(200, {"account": account, "balance": sum(e["amount"] for e in entries() if e["account"] == account)})


def stop(*_):
    flush()
    sys.exit(0)


arguments = command_line()
signal.signal(signal.SIGTERM, stop)
serve(App, arguments.port)
