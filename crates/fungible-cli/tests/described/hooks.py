"""What schemathesis does not know by itself: how to log in, that no two calls are the same thing to be done, and that one who
tries too many passwords waits."""

import collections
import os
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


@schemathesis.auth(refresh_interval=None)
class Login:
    """Each call has a session or an access token that lives, although some calls end them, or neither where that is welcome,
    too. They take turns."""

    def __init__(self):
        self.cookies, self.bearer, self.turn = {}, {}, 0

    def get(self, case, context):
        named = context.operation.definition.raw.get("security", ALL) or [{}, {"session": []}]
        welcome = [scheme for one in named for scheme in one or ["guest"]]
        self.turn += 1
        return getattr(self, welcome[self.turn % len(welcome)])()

    def guest(self):
        return {}, {}

    def session(self):
        if not ME.get(f"{BASE}/api/me", cookies=self.cookies).ok:
            self.cookies = dict(asked("/api/login").cookies)
            ME.cookies.clear()
        return self.cookies, {}

    def bearerAuth(self):
        if not self.bearer or not ME.get(f"{BASE}/api/me", headers=self.bearer).ok:
            self.bearer = {"Authorization": f"Bearer {asked('/api/token').json()['access_token']}"}
        return {}, self.bearer

    def set(self, case, data, context):
        cookies, headers = data
        if not cookies and not headers:
            return
        case.cookies = {**(case.cookies or {}), **cookies}
        case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"} | headers


def asked(path):
    answer = ME.post(f"{BASE}{path}", json=WHO)
    answer.raise_for_status()
    return answer


# What holds where an operation says nothing else.
ALL = [{"session": []}, {"bearerAuth": []}]
KEY = re.compile(r"[!#-\[\]-~]{1,255}")

# From one address a hundred passwords may be wrong in an hour: each operation has an address of its own, so that none is
# refused for what others did.
PLACES = collections.defaultdict(lambda: From(f"127.0.1.{len(PLACES) + 1}"))
NOW = [From("127.0.0.1")]
requests.Session.get_adapter = lambda session, url: NOW[0]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Calls with another body have another key, as those of any honest client have; what is no key stays none."""
    NOW[0] = PLACES[case.operation.label]
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key.strip()):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
