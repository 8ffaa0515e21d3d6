"""Sign in with a provider (its pages are here too, below /provider). The state of a login that is under way is a dict; mended, a signed cookie."""
import base64
import hashlib
import hmac
import json
import secrets
import urllib.parse

from server import Handler, command_line, serve

KEY = b"of all instances: 5d0e"
under_way = {}


def seal(value):
    text = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    return text + "." + hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()


def unseal(sealed):
    text, _, signature = sealed.partition(".")
    if not hmac.compare_digest(hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest(), signature):
        return None
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def challenge(verifier):
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


class App(Handler):
    def cookie(self, name):
        sealed = super().cookie(name)
        return unseal(sealed) if sealed else None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/":
            user = self.cookie("user")
            self.answer(200, {"user": user["name"], "mail": user["mail"]}) if user else self.answer(401, {"login": "/login"})
        elif url.path == "/login":
            self.login()
        elif url.path == "/provider/authorize":
            code = seal({"sub": "u-1815", "challenge": query["code_challenge"]})
            self.answer(302, headers=[("Location", "/callback?" + urllib.parse.urlencode({"code": code, "state": query["state"]}))])
        elif url.path == "/callback":
            self.callback(query)
        else:
            self.answer(404, {"error": "no such page"})

    def login(self):
        state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        headers = []
        if arguments.mended:
            headers.append(("Set-Cookie", f"flow={seal({'state': state, 'verifier': verifier})}; Path=/callback; HttpOnly; Max-Age=600"))
        else:
            under_way[state] = verifier
        question = {"client_id": "shop", "state": state, "code_challenge": challenge(verifier)}
        self.answer(302, headers=headers + [("Location", "/provider/authorize?" + urllib.parse.urlencode(question))])

    def callback(self, query):
        flow = self.cookie("flow") if arguments.mended else None
        verifier = flow["verifier"] if flow and flow["state"] == query["state"] else under_way.pop(query["state"], None)
        grant = unseal(query["code"])
        if not verifier:
            self.answer(400, {"error": "invalid state"})
        elif not grant or grant["challenge"] != challenge(verifier):
            self.answer(400, {"error": "invalid code"})
        else:
            user = seal({"name": "Ada", "mail": "ada@example.org"})
            self.answer(302, headers=[("Set-Cookie", f"user={user}; Path=/; HttpOnly"), ("Set-Cookie", "flow=; Path=/callback; Max-Age=0"), ("Location", "/")])


arguments = command_line()
serve(App, arguments.port)
