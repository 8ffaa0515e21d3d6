"""Logs in, writes two notes, and logs out."""
from driver import Client, check, expect

browser = Client()
expect("notes of a stranger", browser.get("/notes"), 303)
answer = expect("logging in", browser.post("/login", form={"name": "Yuki"}), 303)
page = expect("the notes", browser.get(answer.path()), 200).text
check("they are Yuki's", page == "<h1>Notes of Yuki</h1><ul></ul>", page)
for note in ["buy tea", "a < b"]:
    answer = expect("a note", browser.post("/notes", form={"note": note}), 303)
    page = expect("the notes", browser.get(answer.path()), 200).text
check("both are there", page.endswith("<ul><li>buy tea</li><li>a &lt; b</li></ul>"), page)
expect("logging out", browser.post("/logout"), 303)
expect("nothing after that", browser.get("/notes"), 303)
