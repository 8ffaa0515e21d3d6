"""What schemathesis does not know by itself: how to log in, and that no two calls are the same thing to be done."""

import os
import re
import uuid

import requests
import schemathesis

BASE = os.environ["BASE_URL"]
WHO = {"name": os.environ["NAME"], "password": os.environ["PASSWORD"]}


@schemathesis.auth(refresh_interval=None)
class Session:
    """Each call has a session that lives, although some calls end it."""

    def __init__(self):
        self.cookies = {}

    def get(self, case, context):
        if not requests.get(f"{BASE}/api/me", cookies=self.cookies).ok:
            answer = requests.post(f"{BASE}/api/login", json=WHO)
            answer.raise_for_status()
            self.cookies = dict(answer.cookies)
        return self.cookies

    def set(self, case, data, context):
        case.cookies = {**(case.cookies or {}), **data}


KEY = re.compile(r"[!#-\[\]-~]{1,255}")


@schemathesis.hook
def before_call(context, case, kwargs):
    """Calls with another body have another key, as those of any honest client have; what is no key stays none."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key.strip()):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
