"""A suggestion box. The cookie holds a secret; the form holds that secret under a mask that is new in each answer."""
import fcntl
import hmac
import html
import secrets

from server import Handler, command_line, serve


def mask(secret):
    pad = secrets.token_bytes(len(secret))
    return (pad + bytes(a ^ b for a, b in zip(pad, secret))).hex()


def unmask(token):
    try:
        raw = bytes.fromhex(token)
    except ValueError:
        return b""
    half = len(raw) // 2
    return bytes(a ^ b for a, b in zip(raw[:half], raw[half:]))


class App(Handler):
    frame = "<!doctype html><html><head><title>Box</title></head><body>{body}</body></html>"

    def secret(self):
        token = self.cookie("csrftoken")
        return bytes.fromhex(token) if token else None

    def do_GET(self):
        secret = self.secret()
        headers = []
        if not secret:
            secret = secrets.token_bytes(16)
            headers = [("Set-Cookie", f"csrftoken={secret.hex()}; Path=/; SameSite=Lax")]
        try:
            with open("data/box.txt") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            lines = []
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        token = f'<input type="hidden" name="csrfmiddlewaretoken" value="{mask(secret)}">'
        self.page(200, f'<ol>{items}</ol><form method="post">{token}<input name="text"><button>Drop</button></form>', headers)

    def do_POST(self):
        sent = self.form()
        secret = self.secret()
        if not secret or not hmac.compare_digest(unmask(sent.get("csrfmiddlewaretoken", "")), secret):
            return self.page(403, "<p>CSRF verification failed.</p>")
        with open("data/box.txt", "a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(" ".join(sent.get("text", "").split()) + "\n")
        self.page(302, "", [("Location", "/")])


arguments = command_line()
serve(App, arguments.port)
