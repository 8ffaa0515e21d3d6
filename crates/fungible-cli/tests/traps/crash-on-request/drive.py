"""Stores a picture, has it converted twice, and takes it as it comes when the server is gone."""
import http.client

from driver import Client


def ask(method, path, data=None):
    try:
        return Client().send(method, path, data=data).status
    except (http.client.HTTPException, OSError) as error:
        return repr(error)


print(ask("PUT", "/cat", b"P1 2 2 0 1 1 0"))
print(ask("POST", "/convert/cat"))
print(ask("PUT", "/dog", b"P1 2 2 1 0 0 1"))
print(ask("POST", "/convert/dog"))
