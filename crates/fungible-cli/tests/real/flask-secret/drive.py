"""Logs in and adds two tasks, following the redirects."""
from driver import Client, check, expect

browser = Client()
check("a form for strangers", "Log in" in expect("the page", browser.get("/"), 200).text)
answer = expect("logging in", browser.post("/login", form={"name": "Armin"}), 302)
page = expect("the tasks", browser.get(answer.path()), 200).text
check("it is Armin's page", "<h1>Tasks of Armin</h1>" in page and "You were logged in" in page, page)
for task in ["wash up", "dry <up>"]:
    answer = expect("a task", browser.post("/tasks", form={"task": task}), 302)
    page = expect("the tasks", browser.get(answer.path()), 200).text
    check("it says so", "Task added" in page, page)
check("both tasks are there", "<li>wash up</li><li>dry &lt;up&gt;</li>" in page, page)
