"""Somebody signs in and writes two entries; the pages follow the redirects as a browser does."""
from driver import Client, check, expect

browser = Client()
expect("the diary of a stranger", browser.get("/"), 401)
answer = expect("signing in", browser.post("/login", form={"name": "Anne"}), 303)
page = expect("the diary", browser.get(answer.path()), 200).text
check("the page greets Anne", "Signed in as <b>Anne</b>" in page, page)
for text in ["Dear Kitty,", "it is <quiet> today."]:
    answer = expect("writing", browser.post("/entries", form={"text": text}), 303)
    expect("the diary", browser.get(answer.path()), 200)
page = browser.get("/").text
check("both entries are there", "<li>Dear Kitty,</li><li>it is &lt;quiet&gt; today.</li>" in page, page)
