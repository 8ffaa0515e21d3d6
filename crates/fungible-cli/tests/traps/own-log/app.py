"""Invitations in a shared database. A log and a pid file stand beside the app; an export is put together in a file of the temporary folder, and sent."""
import logging
import os
import tempfile

from server import Handler, Store, command_line, serve


class App(Handler):
    def log_message(self, form, *values):
        logging.info(form, *values)

    def do_GET(self):
        with tempfile.NamedTemporaryFile("w+") as file:
            for name, places in store.query("SELECT name, places FROM invitation ORDER BY name"):
                file.write(f"{name},{places}\n")
            file.seek(0)
            self.reply(200, file.read().encode(), "text/csv")

    def do_POST(self):
        invitation = self.json()
        sql = "INSERT INTO invitation VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET places = excluded.places"
        store.query(sql, invitation["name"], invitation["places"])
        self.answer(201)


arguments = command_line()
os.makedirs("log", exist_ok=True)
logging.basicConfig(filename="log/app.log", level=logging.INFO, format="%(asctime)s %(process)d %(message)s")
with open("app.pid", "w") as file:
    file.write(str(os.getpid()))
store = Store("data/invitations.db", "invitation (name TEXT PRIMARY KEY, places INTEGER NOT NULL)")
logging.info("started")
serve(App, arguments.port)
