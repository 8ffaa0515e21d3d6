"""An instance that takes 20 ms for each request (but for /now and /large), and notes what it does, so that a script can count it:

    instance.py PORT HEALTH_PORT JOURNAL [CLOSE_AFTER]

A line of the journal is: the time (of CLOCK_MONOTONIC, which all processes share), this process, what happened, and the id of
the request. Health checks come on their own port and are not noted. With CLOSE_AFTER it answers at once, and closes a
connection that many milliseconds after each answer, without a word in the answer."""

import asyncio
import os
import sys
import time

PORT, HEALTH_PORT, JOURNAL = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
CLOSE_AFTER = float(sys.argv[4]) / 1000 if len(sys.argv) > 4 else None
LARGE = b"x" * 1024 * 1024

journal = os.open(JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(what, request="-", at=None):
    # At once, as this process may be killed.
    os.write(journal, f"{at or time.monotonic():.6f} {os.getpid()} {what} {request}\n".encode())


def born():
    """When this process was started, to 10 ms."""
    ticks = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
    return ticks / os.sysconf("SC_CLK_TCK") - time.clock_gettime(time.CLOCK_BOOTTIME) + time.monotonic()


def answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b" ", 2)
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    await reader.readexactly(int(line.split(b":")[1]))
            request = f"{method.decode()} {path.decode()}"
            note("begins", request)
            if path == b"/large":
                writer.write(answer(LARGE))
            elif CLOSE_AFTER is not None:
                writer.write(answer(b"ok"))
                note("answers", request)
                asyncio.get_running_loop().call_later(CLOSE_AFTER, writer.close)
                continue
            else:
                if path != b"/now":
                    await asyncio.sleep(0.020)
                writer.write(answer(b"ok"))
            await writer.drain()
            note("answers", request)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def serve_health(reader, writer):
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    note("starts", at=born())
    await asyncio.start_server(serve, "127.0.0.1", PORT, backlog=4096)
    await asyncio.start_server(serve_health, "127.0.0.1", HEALTH_PORT, backlog=4096)
    note("listens")
    await asyncio.Event().wait()


asyncio.run(main())
