"""Notes each request on standard output: when its head is there, and when its body has ended."""

import os


def note(*words):
    # One write per line: several threads share the output.
    os.write(1, ("\t".join(words) + "\n").encode("latin-1"))


def app(environ, start_response):
    request_id = environ.get("HTTP_X_REQUEST_ID", "-")
    target = environ["RAW_URI"]
    note("begin", request_id, environ["REQUEST_METHOD"], target)
    body = environ["wsgi.input"].read()
    # gunicorn takes the end of the connection for the end of the body.
    if len(body) >= int(environ.get("CONTENT_LENGTH") or 0):
        note("end", request_id, environ["REQUEST_METHOD"], target, body.hex())
    answer = request_id.encode("latin-1")
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


def when_ready(server):
    note("port", str(server.LISTENERS[0].sock.getsockname()[1]))
