"""Notes in a shared folder, and news that take a second to come."""
import os
import time

from server import Handler, command_line, serve


class App(Handler):
    def do_GET(self):
        if self.path == "/news":
            time.sleep(1)
            return self.answer(200, {"news": []})
        with open("data/note", "rb") as file:
            self.reply(200, file.read(), "text/plain; charset=utf-8")

    def do_PUT(self):
        with open(f"data/.note-{os.getpid()}", "wb") as file:
            file.write(self.body())
        os.rename(file.name, "data/note")
        self.answer(204)


arguments = command_line()
serve(App, arguments.port)
