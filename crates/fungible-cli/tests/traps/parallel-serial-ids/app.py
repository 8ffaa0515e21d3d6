"""A help desk whose tickets get their numbers from the shared database."""
from server import Handler, Store, command_line, serve


class App(Handler):
    def do_POST(self):
        subject = self.json()["subject"]
        [(number,)] = store.query("INSERT INTO ticket (subject) VALUES (?) RETURNING number", subject)
        self.answer(201, {"number": number, "subject": subject})

    def do_GET(self):
        if self.path == "/tickets":
            rows = store.query("SELECT number, subject FROM ticket ORDER BY number")
            return self.answer(200, [{"number": number, "subject": subject} for number, subject in rows])
        rows = store.query("SELECT number, subject FROM ticket WHERE number = ?", self.path.rsplit("/", 1)[1])
        self.answer(200, {"number": rows[0][0], "subject": rows[0][1]}) if rows else self.answer(404)


arguments = command_line()
store = Store("data/desk.db", "ticket (number INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL)")
serve(App, arguments.port)
