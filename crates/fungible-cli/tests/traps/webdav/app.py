"""A folder over WebDAV, as much of it as a simple client needs. All of it is in data/files."""
import email.utils
import html
import os
import secrets
import shutil
import urllib.parse

from server import Handler, command_line, serve

ROOT = "data/files"


class App(Handler):
    def answer(self, status, data=b"", kind="text/plain; charset=utf-8", headers=()):
        self.reply(status, data, kind, headers)

    def place(self, address):
        path = os.path.normpath(urllib.parse.unquote(urllib.parse.urlsplit(address).path))
        return os.path.join(ROOT, path.lstrip("/"))

    def handle_method(self):
        body = self.body()
        getattr(self, self.command.lower())(self.place(self.path), body)

    do_OPTIONS = do_GET = do_HEAD = do_PUT = do_DELETE = do_MKCOL = do_COPY = do_MOVE = do_PROPFIND = handle_method

    def options(self, place, body):
        self.answer(200, headers=[("DAV", "1"), ("Allow", "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND")])

    def get(self, place, body):
        if not os.path.isfile(place):
            return self.answer(404, b"not found\n")
        with open(place, "rb") as file:
            self.answer(200, file.read(), "application/octet-stream")

    head = get

    def put(self, place, body):
        if not os.path.isdir(os.path.dirname(place)):
            return self.answer(409, b"there is no such folder\n")
        new = not os.path.exists(place)
        draft = f"{ROOT}/.{secrets.token_hex(8)}"
        with open(draft, "wb") as file:
            file.write(body)
        os.rename(draft, place)
        self.answer(201 if new else 204)

    def mkcol(self, place, body):
        try:
            os.mkdir(place)
            self.answer(201)
        except FileExistsError:
            self.answer(405, b"it is there already\n")
        except FileNotFoundError:
            self.answer(409, b"there is no such folder\n")

    def delete(self, place, body):
        if not os.path.exists(place):
            return self.answer(404, b"not found\n")
        shutil.rmtree(place) if os.path.isdir(place) else os.remove(place)
        self.answer(204)

    def copy(self, place, body):
        target = self.place(self.headers["Destination"])
        if os.path.exists(target) and self.headers.get("Overwrite") == "F":
            return self.answer(412, b"it is there already\n")
        shutil.copyfile(place, target)
        self.answer(201)

    def move(self, place, body):
        target = self.place(self.headers["Destination"])
        new = not os.path.exists(target)
        os.rename(place, target)
        self.answer(201 if new else 204)

    def propfind(self, place, body):
        if not os.path.exists(place):
            return self.answer(404, b"not found\n")
        below = sorted(name for name in os.listdir(place) if name[0] != ".") if os.path.isdir(place) and self.headers.get("Depth") == "1" else []
        parts = ['<?xml version="1.0" encoding="utf-8"?><D:multistatus xmlns:D="DAV:">']
        for path in [place, *(os.path.join(place, name) for name in below)]:
            folder = os.path.isdir(path)
            address = urllib.parse.quote("/" + os.path.relpath(path, ROOT).removeprefix("."))
            modified = email.utils.formatdate(os.path.getmtime(path), usegmt=True)
            kind = "<D:collection/>" if folder else ""
            size = "" if folder else f"<D:getcontentlength>{os.path.getsize(path)}</D:getcontentlength>"
            parts.append(
                f"<D:response><D:href>{html.escape(address)}</D:href><D:propstat><D:prop><D:resourcetype>{kind}</D:resourcetype>{size}"
                f"<D:getlastmodified>{modified}</D:getlastmodified></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
            )
        self.answer(207, ("".join(parts) + "</D:multistatus>").encode(), "application/xml; charset=utf-8")


arguments = command_line()
os.makedirs(ROOT, exist_ok=True)
serve(App, arguments.port)
