"""Drops two suggestions, with a token from the page before last, and a forged one."""
import re

from driver import Client, check, expect

browser = Client()


def token():
    return re.search('name="csrfmiddlewaretoken" value="([^"]+)"', expect("the box", browser.get("/"), 200).text)[1]


first = token()
check("each page has another token", token() != first)
expect("an older token", browser.post("/", form={"csrfmiddlewaretoken": first, "text": "More plants"}), 302)
expect("a fresh token", browser.post("/", form={"csrfmiddlewaretoken": token(), "text": "Fewer meetings"}), 302)
expect("a forged token", browser.post("/", form={"csrfmiddlewaretoken": "00" * 32, "text": "x"}), 403)
page = expect("the box", browser.get("/"), 200).text
check("both are in the box", "<ol><li>More plants</li><li>Fewer meetings</li></ol>" in page, page)
