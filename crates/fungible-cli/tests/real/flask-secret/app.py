"""Flask with its own sessions, a signed cookie. The key is random; mended, it is fixed."""
import argparse
import os
import signal
import sys

from flask import Flask, flash, get_flashed_messages, redirect, render_template_string, request, session
from waitress import serve

PAGE = """<!doctype html><html lang="en"><head><title>Tasks</title></head><body>
{% for message in messages %}<p class="flash">{{ message }}</p>{% endfor %}
{% if name %}<h1>Tasks of {{ name }}</h1><ul>{% for task in tasks %}<li>{{ task }}</li>{% endfor %}</ul>
<form method="post" action="/tasks"><input name="task"><button>Add</button></form>
{% else %}<form method="post" action="/login"><input name="name"><button>Log in</button></form>{% endif %}</body></html>"""

arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--mended", action="store_true")
arguments = arguments.parse_args()

app = Flask(__name__)
app.secret_key = b"of all instances: 9c41" if arguments.mended else os.urandom(16)


@app.get("/")
def home():
    return render_template_string(PAGE, messages=get_flashed_messages(), name=session.get("name"), tasks=session.get("tasks", []))


@app.post("/login")
def login():
    session["name"] = request.form["name"]
    flash("You were logged in")
    return redirect("/")


@app.post("/tasks")
def add():
    if "name" not in session:
        return redirect("/", code=303)
    session["tasks"] = [*session.get("tasks", []), request.form["task"]]
    flash("Task added")
    return redirect("/")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
serve(app, host="127.0.0.1", port=arguments.port, threads=4)
