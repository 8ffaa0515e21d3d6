"""What the drivers share: a client that keeps cookies and follows no redirect by itself, and checks that say what was wrong."""
import json as jsons
import os
import sys
import urllib.parse

sys.modules["ssl"] = None  # nobody needs it, and it takes long to load

import http.client

BASE_URL = os.environ["BASE_URL"]


class Answer:
    def __init__(self, got):
        self.status = got.status
        self.headers = got.headers
        self.body = got.read()

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return jsons.loads(self.body)

    def path(self):
        """Where the answer points to, as path and query."""
        url = urllib.parse.urlsplit(self.headers["Location"])
        return url.path + ("?" + url.query if url.query else "")

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Client:
    """One browser: one connection, kept alive, and its cookies."""

    def __init__(self, base=BASE_URL):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(base).netloc, timeout=30)
        self.cookies = {}

    def send(self, method, path, json=None, form=None, data=None, headers=None):
        headers = dict(headers or {})
        if json is not None:
            data, headers["Content-Type"] = jsons.dumps(json), "application/json"
        if form is not None:
            data, headers["Content-Type"] = urllib.parse.urlencode(form), "application/x-www-form-urlencoded"
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.connection.request(method, path, data, headers)
        answer = Answer(self.connection.getresponse())
        for line in answer.headers.get_all("Set-Cookie", []):
            name, value = line.split(";")[0].split("=", 1)
            if "max-age=0" in line.lower():
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def get(self, path, **more):
        return self.send("GET", path, **more)

    def post(self, path, **more):
        return self.send("POST", path, **more)

    def put(self, path, **more):
        return self.send("PUT", path, **more)

    def delete(self, path, **more):
        return self.send("DELETE", path, **more)


def check(what, holds, seen=None):
    """Ends the driver with 1 unless `holds`."""
    if not holds:
        print(f"FAILED: {what}" + (f"; seen: {seen}" if seen is not None else ""), file=sys.stderr)
        sys.exit(1)


def expect(what, answer, status):
    """Ends the driver with 1 unless the answer has this status; gives the answer back."""
    check(f"{what} should be {status}", answer.status == status, answer)
    return answer
