"""Goes through the chain of redirects; then a forged callback."""
from driver import Client, check, expect

browser = Client()
expect("a stranger", browser.get("/"), 401)
answer = expect("login", browser.get("/login"), 302)
answer = expect("the provider", browser.get(answer.path()), 302)
answer = expect("the callback", browser.get(answer.path()), 302)
check("the callback leads home", answer.headers["Location"] == "/", answer.headers["Location"])
user = expect("home", browser.get("/"), 200).json()
check("it is Ada", user == {"user": "Ada", "mail": "ada@example.org"}, user)
expect("a forged callback", Client().get("/callback?state=forged&code=forged.0"), 400)
