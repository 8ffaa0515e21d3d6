"""Writes two entries."""
from driver import Client, check, expect

browser = Client()
expect("an empty entry", browser.post("/", form={}), 422)
for text in ["dug", "sowed"]:
    answer = expect("an entry", browser.post("/", form={"text": text}), 303)
    page = expect("the diary", browser.get(answer.path()), 200).text
check("both are there", "<ul><li>dug</li><li>sowed</li></ul>" in page, page)
