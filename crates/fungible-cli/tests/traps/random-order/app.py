"""Recipes with tags. Tags come out of a set, the suggestions out of a shuffle."""
import html
import json
import random

from server import Handler, Store, command_line, serve


class App(Handler):
    def do_POST(self):
        sent = self.json()
        if not sent.get("name"):
            return self.answer(422, {"error": "a name is needed"})
        tags = set(sent.get("tags", []))
        store.query("INSERT OR REPLACE INTO recipe VALUES (?, ?)", sent["name"], json.dumps(sorted(tags)))
        self.answer(201, {"name": sent["name"], "tags": list(tags)})

    def do_GET(self):
        recipes = {name: set(json.loads(tags)) for name, tags in store.query("SELECT name, tags FROM recipe")}
        if self.path == "/tags":
            counts = {tag: sum(tag in tags for tags in recipes.values()) for tag in set().union(*recipes.values())}
            return self.answer(200, {"tags": [{"name": tag, "recipes": count} for tag, count in counts.items()]})
        if self.path == "/suggestions":
            names = list(recipes)
            random.shuffle(names)
            items = "".join(f"<li>{html.escape(name)} <small>{' '.join(recipes[name])}</small></li>" for name in names)
            return self.page(200, f"<ul>{items}</ul>")
        self.answer(404, {"error": "no such page"})


arguments = command_line()
store = Store("data/recipes.db", "recipe (name TEXT PRIMARY KEY, tags TEXT NOT NULL)")
serve(App, arguments.port)
