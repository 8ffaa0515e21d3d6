"""Recipes with tags. Tags come out of a set, the suggestions out of a shuffle."""
@@IMPORTS

lock = threading.Lock()


@@STORE recipes
recipe (name TEXT PRIMARY KEY, tags TEXT NOT NULL)
@@


class App(BaseHTTPRequestHandler):
    @@JSON

    @@SENT

    def do_POST(self):
        sent = self.sent()
        if not sent.get("name"):
            return self.answer(422, {"error": "a name is needed"})
        tags = set(sent.get("tags", []))
        query("INSERT OR REPLACE INTO recipe VALUES (?, ?)", sent["name"], json.dumps(sorted(tags)))
        self.answer(201, {"name": sent["name"], "tags": list(tags)})

    def do_GET(self):
        recipes = {name: set(json.loads(tags)) for name, tags in query("SELECT name, tags FROM recipe")}
        if self.path == "/tags":
            counts = {tag: sum(tag in tags for tags in recipes.values()) for tag in set().union(*recipes.values())}
            return self.answer(200, {"tags": [{"name": tag, "recipes": count} for tag, count in counts.items()]})
        if self.path == "/suggestions":
            names = list(recipes)
            random.shuffle(names)
            data = ("<ul>" + "".join(f"<li>{html.escape(name)} <small>{' '.join(recipes[name])}</small></li>" for name in names) + "</ul>").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            return self.wfile.write(data)
        self.answer(404, {"error": "no such page"})


@@SERVER
@@ARG1
db = open_store()
@@END
