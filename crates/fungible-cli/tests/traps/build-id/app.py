"""A page with a script, and the sums that the script asks for. The script is served under the name of its build, which is random; mended, it is a hash of the script."""
import hashlib
import secrets

from server import Handler, command_line, serve

SCRIPT = "fetch('/sums', {method: 'POST', body: '[1, 2]'}).then(async (answer) => { document.title = await answer.text(); });\n"

arguments = command_line()
build = hashlib.sha256(SCRIPT.encode()).hexdigest()[:16] if arguments.mended else secrets.token_hex(8)


class App(Handler):
    def do_GET(self):
        if self.path == "/":
            return self.page(200, f'<html><head><title>Sums</title><script src="/scripts/{build}.js"></script></head></html>')
        if self.path == f"/scripts/{build}.js":
            return self.reply(200, SCRIPT.encode(), "text/javascript", [("Cache-Control", "public, max-age=31536000, immutable")])
        self.answer(404, {"error": "no such page"})

    def do_POST(self):
        self.answer(200, {"sum": sum(self.json())})


serve(App, arguments.port)
