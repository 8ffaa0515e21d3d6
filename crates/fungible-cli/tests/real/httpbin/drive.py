"""Has cookies set, sends them back, and looks at what arrives."""
import secrets

from driver import Client, check, expect

browser = Client()
token = secrets.token_hex(16)
answer = expect("a cookie", browser.get(f"/cookies/set/session/{token}"), 302)
cookies = expect("the cookies", browser.get(answer.path()), 200).json()["cookies"]
check("the cookie came back", cookies == {"session": token}, cookies)
answer = expect("another cookie", browser.get("/cookies/set?theme=dark"), 302)
cookies = expect("the cookies", browser.get(answer.path()), 200).json()["cookies"]
check("both came back", cookies == {"session": token, "theme": "dark"}, cookies)
sent = expect("a form", browser.post("/post", form={"size": "large"}), 200).json()
check("the form arrived", sent["form"] == {"size": "large"}, sent)
expect("a teapot", browser.get("/status/418"), 418)
expect("a password", browser.get("/basic-auth/ali/sesame", headers={"Authorization": "Basic YWxpOnNlc2FtZQ=="}), 200)
expect("no password", browser.get("/basic-auth/ali/sesame"), 401)
check("gzip", expect("gzip", browser.get("/gzip"), 200).headers["Content-Encoding"] == "gzip")
check("a UUID", len(expect("a UUID", browser.get("/uuid"), 200).json()["uuid"]) == 36)
