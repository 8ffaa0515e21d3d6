"""A cart in a session of Flask-Session, which keeps it in a file of the folder that is given."""
import argparse
import signal
import sys

from cachelib.file import FileSystemCache
from flask import Flask, jsonify, request, session
from flask_session import Session
from waitress import serve

arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--folder", required=True)
arguments = arguments.parse_args()

app = Flask(__name__)
app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=FileSystemCache(arguments.folder, threshold=500), SESSION_PERMANENT=False)
Session(app)


@app.get("/cart")
def show():
    return jsonify(items=session.get("items", []))


@app.post("/cart")
def add():
    item = (request.get_json() or {}).get("item")
    if not item:
        return jsonify(error="an item is needed"), 422
    session["items"] = [*session.get("items", []), item]
    return jsonify(items=session["items"]), 201


@app.delete("/cart")
def clear():
    session.pop("items", None)
    return jsonify(items=[])


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
serve(app, host="127.0.0.1", port=arguments.port, threads=4)
