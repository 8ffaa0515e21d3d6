"""Sessions in a dict, which nobody who drives it ever comes back to."""
import secrets

from server import Handler, command_line, serve

sessions = {}


class App(Handler):
    def do_POST(self):
        sent = self.json()
        if sent.get("password") != "open sesame":
            return self.answer(403, {"error": "wrong password"})
        key = secrets.token_urlsafe(18)
        sessions[key] = sent["name"]
        self.answer(200, {"hello": sent["name"]}, [("Set-Cookie", f"sid={key}; Path=/; HttpOnly")])

    def do_GET(self):
        key = self.cookie("sid")
        if self.path == "/version":
            self.answer(200, {"version": "1.4.0"})
        elif key in sessions:
            self.answer(200, {"name": sessions[key]})
        else:
            self.answer(401, {"error": "please log in"})


arguments = command_line()
serve(App, arguments.port)
