"""What schemathesis does not know by itself: how to log in, that no two calls are the same thing to be done, and that one who
tries too many passwords waits."""

import atexit
import collections
import json
import os
import pathlib
import re
import uuid

import requests
import schemathesis

BASE = os.environ["BASE_URL"]
WHO = {"name": os.environ["NAME"], "password": os.environ["PASSWORD"]}


class From(requests.adapters.HTTPAdapter):
    """Connects from one address of this machine."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **more):
        super().init_poolmanager(*args, source_address=(self.address, 0), **more)


def session_from(address):
    session, adapter = requests.Session(), From(address)
    session.get_adapter = lambda url: adapter
    return session


# Logs in for all calls, and never with a wrong password.
ME = session_from("127.0.0.1")


# The session and the token that are used; a call may have ended them.
SESSION, BEARER = {}, {}


def asked(path):
    answer = ME.post(f"{BASE}{path}", json=WHO)
    answer.raise_for_status()
    return answer


def session():
    if not ME.get(f"{BASE}/api/me", cookies=SESSION).ok:
        SESSION.update(asked("/api/login").cookies)
        ME.cookies.clear()
    return SESSION


def bearer():
    if not ME.get(f"{BASE}/api/me", headers=BEARER).ok:
        BEARER["Authorization"] = f"Bearer {asked('/api/token').json()['access_token']}"
    return BEARER


@schemathesis.auth(refresh_interval=None)
class Login:
    """Each call has a session or an access token that lives, or neither where that is welcome, too. They take turns."""

    def __init__(self):
        self.turn = 0

    def get(self, case, context):
        named = context.operation.definition.raw.get("security", ALL) or [{}, {"session": []}]
        welcome = [scheme for one in named for scheme in one or [None]]
        self.turn += 1
        return welcome[self.turn % len(welcome)]

    def set(self, case, data, context):
        cookies = session() if data == "session" else {}
        headers = bearer() if data == "bearerAuth" else {}
        others = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"}
        case.cookies = {**GIVEN, **(case.cookies or {}), **cookies}
        case.headers = {**others, **headers}


# The other cookies that were given: the cart of a guest, say, which comes along to the login.
GIVEN = {}

# What must be done first, by operation, or it would have nothing to do: method, path and body.
FIRST = json.loads(os.environ["FIRST"])

# How often each operation was answered with which status.
SEEN = collections.defaultdict(collections.Counter)
atexit.register(lambda: pathlib.Path("seen.json").write_text(json.dumps(SEEN)))

# What holds where an operation says nothing else.
ALL = [{"session": []}, {"bearerAuth": []}]
KEY = re.compile(r"[!#-\[\]-~]{1,255}")

# What nobody guesses; every second body that is well-formed becomes one of these.
KNOWN = {
    "logIn": lambda: dict(WHO),
    "issueToken": lambda: dict(WHO),
    "refreshToken": lambda: {"refresh_token": asked("/api/token").json()["refresh_token"]},
}
WELL_FORMED = collections.Counter()

# From one address a hundred passwords may be wrong in an hour: each operation has an address of its own, so that none is
# refused for what others did.
PLACES = collections.defaultdict(lambda: From(f"127.0.1.{len(PLACES) + 1}"))
NOW = [From("127.0.0.1")]
requests.Session.get_adapter = lambda session, url: NOW[0]


@schemathesis.hook
def before_call(context, case, kwargs):
    """What they need is there, and some of them know it. Calls with another body have another key, as those of any honest client have; what is no key stays none."""
    operation = case.operation.definition.raw["operationId"]
    if operation in KNOWN and case.meta.generation.mode.is_positive:
        WELL_FORMED[operation] += 1
        if WELL_FORMED[operation] % 2:
            case.body = KNOWN[operation]()
    if first := FIRST.get(operation):
        method, path, body = first
        ME.request(method, f"{BASE}{path}", json=body, headers=bearer()).raise_for_status()
    NOW[0] = PLACES[case.operation.label]
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key.strip()):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())


@schemathesis.hook
def after_call(context, case, response):
    """Keeps cookies as a browser does; the session is kept above. And notes the status."""
    if case.method.upper() == case.operation.method.upper():
        SEEN[case.operation.label][response.status_code] += 1
    for cookie in response.headers.get("set-cookie", []):
        name, value = cookie.split(";")[0].split("=", 1)
        if not name.endswith("session"):
            GIVEN[name] = value
