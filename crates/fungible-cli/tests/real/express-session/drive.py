"""Signs in, looks at the account twice."""
from driver import Client, check, expect

browser = Client()
expect("the first page", browser.get("/"), 200)
expect("the account of a stranger", browser.get("/account"), 401)
expect("signing in without a name", browser.post("/login", form={"name": ""}), 422)
answer = expect("signing in", browser.post("/login", form={"name": "Ada"}), 303)
account = expect("the account", browser.get(answer.path()), 200).json()
check("it is the first visit", account == {"name": "Ada", "visits": 1}, account)
expect("the first page", browser.get("/"), 200)
account = expect("the account", browser.get("/account"), 200).json()
check("it is the second visit", account == {"name": "Ada", "visits": 2}, account)
expect("signing out", browser.post("/logout"), 200)
