"""Our balancer, nginx and HAProxy over the same instances, for scripts/bench-balancer and scripts/bench-failover: their
configurations, their processes, what these use, and the part of BENCHMARKS.md that a script writes. All of it stays on
loopback and ends with the script."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import benching  # noqa: E402
from benching import accepts, cpu_seconds, fail, free_port, until  # noqa: E402, F401

FUNGIBLE = os.environ.get("FUNGIBLE_BIN", str(benching.TARGET / "release/fungible"))
SCRIPT = Path(sys.argv[0]).name
WORKERS = 2

NGINX = """
daemon off; worker_processes {workers}; pid {dir}/nginx.pid; error_log /dev/null; worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 75s; tcp_nodelay on;
  client_body_temp_path {dir}/n; proxy_temp_path {dir}/n; fastcgi_temp_path {dir}/n;
  uwsgi_temp_path {dir}/n; scgi_temp_path {dir}/n;
  {limits}
  map $http_upgrade $app_connection {{ "" ""; default upgrade; }}
  upstream app {{ {servers} keepalive 256; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; {listens}
    location / {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection $app_connection;
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Request-Id $request_id; proxy_set_header Upgrade $http_upgrade;
      proxy_connect_timeout 1s; proxy_read_timeout {read_timeout}; proxy_next_upstream error timeout;
    }}
  }}
}}
"""

HAPROXY = """
global
  nbthread {workers}
  maxconn {connections}
  no strict-limits
  {globals}
defaults
  mode http
  timeout connect 1s
  timeout client 75s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 75s
  {limits}
  option http-keep-alive
  http-reuse always
  retries 3
  retry-on conn-failure empty-response
  option redispatch
frontend in
  bind 127.0.0.1:{port}
  {binds}
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request disable-l7-retry if !{{ method GET HEAD OPTIONS PUT DELETE }}
  default_backend app
backend app
  balance roundrobin
  {check}
{servers}
"""

# What finds an instance that does not answer: a request of its own, and requests of clients.
HAPROXY_CHECK = (
    "option httpchk GET /health\n  timeout check 400ms\n  default-server inter 200ms "
    "fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down on-marked-down shutdown-sessions")


def need(tools, packages):
    for tool in tools:
        if not shutil.which(tool):
            fail(f"{tool} is missing: apt-get install {packages}")
    if not Path(FUNGIBLE).exists():
        fail(f"{FUNGIBLE} is missing: cargo build --release")


class Group(benching.Group):
    """Processes that end with the script, and their folder."""

    def __init__(self):
        super().__init__()
        self.where = Path(tempfile.mkdtemp(prefix=f"{SCRIPT}-"))
        # The workers of nginx are another user.
        self.where.chmod(0o755)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.where, ignore_errors=True)


def family(pid):
    """A process and its children, for nginx and HAProxy; ours has its instances as children, so only itself."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def run_time(pids):
    """Nanoseconds that all threads of these processes ran."""
    return sum(int(task.read_text().split()[0]) for pid in pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def pss(pids):
    """Their memory in MiB; what several processes share counts once."""
    text = "".join(Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return sum(int(kib) for kib in re.findall(r"^Pss:\s+(\d+)", text, re.M)) / 1024


class Ours:
    """`fungible run`, when so many instances are healthy. Its control socket is in the folder of the group."""

    name = "Fungible"

    def __init__(self, group, command, *options, count=3, seconds=20):
        self.port = free_port()
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(group.where)}
        how_many = [] if "--min" in options else ["-n", str(count)]
        run = [FUNGIBLE, "run", *how_many, "--listen", f"127.0.0.1:{self.port}", *options, "--", *command]
        self.process = group.start(run, env=self.environment)
        self.pids = [self.process.pid]
        until(f"{count} healthy instances of fungible run", lambda: len(self.healthy()) == count, seconds)

    def command(self, *arguments):
        output = {"stderr": subprocess.PIPE, "text": True}
        return subprocess.check_output([FUNGIBLE, *arguments], env=self.environment, **output)

    def status(self):
        return json.loads(self.command("status", "--json"))["instances"]

    def healthy(self):
        if self.process.poll() is not None:
            fail("fungible run has ended")
        return [one["address"] for one in self.status() if one["state"] == "healthy"]


class Peer:
    """nginx or HAProxy over instances that run already."""

    def accepts(self):
        until(f"{self.name} accepts", lambda: accepts(self.port))
        self.pids = family(self.process.pid)


class Nginx(Peer):
    name = "nginx"

    def __init__(self, group, addresses, connections=4096, read_timeout="60s", listens="", limits=""):
        self.port, self.group = free_port(), group
        self.settings = dict(
            dir=group.where, port=self.port, workers=WORKERS, connections=connections, files=connections + 1024,
            read_timeout=read_timeout, listens=listens, limits=limits)
        self.configure(addresses)
        self.process = group.start(["nginx", "-c", str(self.file), "-p", str(group.where)])
        self.accepts()

    def configure(self, addresses):
        self.file = self.group.where / "nginx.conf"
        servers = " ".join(f"server {address} max_fails=1 fail_timeout=1s;" for address in addresses)
        self.file.write_text(NGINX.format(servers=servers, **self.settings))


class HAProxy(Peer):
    name = "HAProxy"

    def __init__(self, group, addresses, connections=8192, check="", server="", servers=None, binds="", globals="", limits=""):
        self.port = free_port()
        lines = servers or [f"server s{n} {address} {server}" for n, address in enumerate(addresses)]
        file = group.where / "haproxy.cfg"
        file.write_text(HAPROXY.format(
            port=self.port, workers=WORKERS, connections=connections, check=check, binds=binds, globals=globals,
            limits=limits, servers="\n".join(f"  {line}" for line in lines)))
        self.process = group.start(["haproxy", "-db", "-f", str(file)])
        self.accepts()


def write(part, lines):
    """Replaces this part of BENCHMARKS.md, or appends it."""
    begin, end = f"<!-- {part} -->", f"<!-- /{part} -->"
    path = ROOT / "BENCHMARKS.md"
    text = path.read_text() if path.exists() else "# Benchmarks\n\nEach table is written by the script that is named in it.\n"
    if text.count(begin) > 1:
        fail(f"{begin} stands more than once in {path}: remove all but one")
    if begin not in text:
        text = text.rstrip() + f"\n\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(before + begin + "\n" + "\n".join(lines) + "\n" + end + after)


def version(command):
    output = subprocess.run(command, capture_output=True, text=True)
    return re.search(r"\d+\.\d+\.\d+", output.stdout + output.stderr)[0]


def machine():
    return f"{benching.machine()}, nginx {version(['nginx', '-v'])}, HAProxy {version(['haproxy', '-v'])}"
