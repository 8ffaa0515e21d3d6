"""Posts two messages; the nonce of the header is that of the scripts, and never the same twice."""
import re

from driver import Client, check, expect

browser = Client()
nonces = set()
expect("an empty message", browser.post("/", form={"text": ""}), 422)
for text in ["lost: one umbrella", "found: two <b>umbrellas</b>"]:
    answer = expect("a message", browser.post("/", form={"text": text}), 303)
    page = expect("the board", browser.get(answer.path()), 200)
    nonce = re.search("'nonce-([^']+)'", page.headers["Content-Security-Policy"])[1]
    check("the scripts have the nonce of the header", re.findall('<script nonce="([^"]+)"', page.text) == [nonce, nonce], page)
    nonces.add(nonce)
check("each page has its own nonce", len(nonces) == 2)
check("both messages are there", "<li>lost: one umbrella</li><li>found: two &#60;b&#62;umbrellas&#60;/b&#62;</li>" in page.text, page)
