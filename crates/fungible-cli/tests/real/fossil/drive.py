"""Logs in, writes a page and changes it, and reads it and what was done."""
from driver import BASE_URL, Client, check, expect

browser = Client()


def send(method, path, **more):
    return browser.send(method, path, headers={"Referer": BASE_URL + "/"}, **more)  # else it takes the request for a forged one


def wiki(action, **payload):
    answer = expect(action, send("POST", f"/json/wiki/{action}", json={"payload": payload}), 200).json()
    check(f"{action} goes well", "resultCode" not in answer, answer)
    return answer["payload"]


answer = expect("logging in", send("POST", "/login", form={"u": "ada", "p": "sesame", "in": "Login", "g": "/home"}), 302)
wiki("create", name="Tea", content="Assam", contentType="text/plain")
page = wiki("get", name="Tea")
check("it is what was written", (page["content"], page["user"]) == ("Assam", "ada"), page)
wiki("save", name="Tea", content="Assam and Ceylon", contentType="text/plain")
check("it is what was written last", wiki("get", name="Tea")["content"] == "Assam and Ceylon")
check("the page is listed", expect("all pages", send("GET", "/json/wiki/list"), 200).json()["payload"] == ["Tea"])
feed = expect("what was done", send("GET", "/timeline.rss"), 200).text
check("both are in it", "Add wiki page: Tea" in feed and "Edit wiki page: Tea" in feed, feed)
