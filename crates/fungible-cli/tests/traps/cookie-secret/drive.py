"""Signs in, looks at the account, takes the large plan."""
from driver import Client, check, expect

browser = Client()
answer = expect("the account of a stranger", browser.get("/account"), 302)
expect("the form", browser.get(answer.path()), 200)
answer = expect("signing in", browser.post("/login", form={"name": "Joan"}), 303)
page = expect("the account", browser.get(answer.path()), 200).text
check("it is Joan's, with the small plan", "<h1>Joan</h1><p>Plan: small</p>" in page, page)
answer = expect("changing the plan", browser.post("/account/plan", form={"plan": "large"}), 303)
page = expect("the account", browser.get(answer.path()), 200).text
check("it has the large plan", "Plan: large" in page, page)
