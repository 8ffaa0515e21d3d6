"""Logs in, makes a database, fills a table by SQL, and looks at its rows."""
import html
import re

from driver import Client, check, expect

browser = Client()


def token(page):
    return re.search('name="token" value="([0-9a-f]+)"', page)[1]


page = expect("the login", browser.get("/"), 200).text
answer = expect("logging in", browser.post("/", form={"token": token(page), "password": "sesame", "login": "true"}), 302)
page = expect("the databases", browser.get(answer.path()), 200).text
check("one may be made", "create_database" in page, page)
page = expect("a database", browser.post("/index.php", form={"token": token(page), "new_dbname": "notes.db"}), 200).text
database = html.unescape(re.search(r"href='\?(database=[^&']+)", page)[1])
sql = "CREATE TABLE tea (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO tea (name) VALUES ('Assam'), ('Ceylon');"
page = expect("a table", browser.post(f"/index.php?{database}&view=sql", form={"token": token(page), "query": "1", "delimiter": ";", "queryval": sql}), 200).text
check("both were carried out", page.count("<div class='confirm'>") == 2, page)
for _ in range(2):
    page = expect("the rows", browser.get(f"/index.php?{database}&action=row_view&table=tea"), 200).text
    check("both are shown", "Assam" in page and "Ceylon" in page, page)
check("the login comes back", "Log In" in expect("logging out", browser.get("/index.php?logout=Logout"), 200).text)
check("nothing after that", "Assam" not in browser.get(f"/index.php?{database}&action=row_view&table=tea").text)
