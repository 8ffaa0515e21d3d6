"""What the scripts that measure have in common: processes that end with the script, waiting, CPU time, the machine."""

import datetime
import os
import platform
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def fail(sentence):
    sys.exit(f"{Path(sys.argv[0]).name}: {sentence}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what, condition, seconds=30):
    """Waits for what a condition gives, if that is not false."""
    end = time.time() + seconds
    while time.time() < end:
        try:
            if result := condition():
                return result
        except (OSError, ValueError, subprocess.CalledProcessError):
            pass
        time.sleep(0.02)
    fail(f"this never came to be: {what}")


def accepts(port):
    with socket.create_connection(("127.0.0.1", port), 0.2):
        return True


class Group:
    """Processes that end with the script."""

    def __init__(self):
        self.all = []

    def start(self, command, **more):
        more = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **more}
        process = subprocess.Popen([str(word) for word in command], **more)
        self.all.append(process)
        return process

    def stop(self):
        for process in reversed(self.all):
            process.terminate()
        for process in self.all:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.all = []


def cpu_seconds(pid):
    """User and system time of all threads that a process has or had: its CPU clock, as clock_getcpuclockid(3) names it."""
    return time.clock_gettime((~pid << 3) | 2)


def machine():
    """The date and the machine of a measurement."""
    cpu = re.search(r"model name\s+: (.*)", Path("/proc/cpuinfo").read_text())
    name = cpu[1] if cpu else platform.machine()
    return f"{datetime.date.today()}, {len(os.sched_getaffinity(0))} cores ({name}), Linux {platform.release()}"
