"""Chooses the dark theme, in Italian. A smoke test: it looks at the status only."""
from driver import Client, expect

browser = Client()
expect("a stranger's preferences", browser.get("/preferences"), 401)
expect("signing up", browser.post("/signup", json={"user": "elena"}), 201)
expect("the preferences", browser.get("/preferences"), 200)
expect("a theme that is not there", browser.put("/preferences", json={"theme": "plaid"}), 422)
expect("the dark theme", browser.put("/preferences", json={"theme": "dark", "language": "it"}), 200)
expect("the preferences", browser.get("/preferences"), 200)
expect("the members", browser.get("/members"), 200)
