"""A push gateway: jobs that end before a monitor asks leave their metrics here. They are kept in memory; mended, in a file."""
import fcntl
import json

from server import Handler, command_line, process_metrics, serve

memory = {}


class InMemory:
    def all(self):
        return dict(memory)

    def put(self, job, lines):
        memory[job] = lines


class Shared:
    def all(self):
        try:
            with open("data/pushed.json") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                return json.load(file)
        except FileNotFoundError:
            return {}

    def put(self, job, lines):
        with open("data/pushed.json", "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            jobs = json.loads(file.read() or "{}")
            jobs[job] = lines
            file.truncate(0)
            file.write(json.dumps(jobs))


def of_job(line, job):
    """`name{a="1"} 2` with the name of the job among the labels."""
    series, value = line.rsplit(" ", 1)
    name, _, labels = series.partition("{")
    labels = f'{labels.rstrip("}")},job="{job}"' if labels else f'job="{job}"'
    return f"{name}{{{labels}}} {value}"


class App(Handler):
    def do_GET(self):
        if self.path != "/metrics":
            return self.answer(404)
        pushed = "".join(of_job(line, job) + "\n" for job, lines in gateway.all().items() for line in lines)
        self.reply(200, (process_metrics() + pushed).encode(), "text/plain; version=0.0.4; charset=utf-8")

    def do_PUT(self):
        job = self.path.removeprefix("/metrics/job/")
        if job == self.path:
            return self.answer(404)
        lines = self.body().decode().splitlines()
        gateway.put(job, [line for line in lines if line and not line.startswith("#")])
        self.answer(200)


arguments = command_line()
gateway = Shared() if arguments.mended else InMemory()
serve(App, arguments.port)
