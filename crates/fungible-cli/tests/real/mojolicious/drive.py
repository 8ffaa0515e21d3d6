"""Logs in, invites two guests through the form, tries it without its token, and logs out."""
import re

from driver import Client, check, expect

browser = Client()


def token(page):
    return re.search('name="csrf_token" type="hidden" value="([^"]+)"', page)[1]


answer = expect("the guests of a stranger", browser.get("/guests"), 302)
page = expect("the login", browser.get(answer.path()), 200).text
answer = expect("logging in", browser.post("/login", form={"name": "Noor", "csrf_token": token(page)}), 302)
page = expect("the guests", browser.get(answer.path()), 200).text
check("it is a welcome", "<p>Welcome.</p><h1>Guests of Noor</h1>" in page, page)
for guest in ["Ali", "Bea & Co"]:
    answer = expect("a guest", browser.post("/guests", form={"guest": guest, "csrf_token": token(page)}), 302)
    page = expect("the guests", browser.get(answer.path()), 200).text
    check("it is said once", "<p>Invited.</p>" in page, page)
expect("a guest without the token", browser.post("/guests", form={"guest": "Eve"}), 403)
page = expect("the guests", browser.get("/guests"), 200).text
check("two guests", "<ul><li>Ali</li><li>Bea &amp; Co</li></ul>" in page, page)
expect("logging out", browser.post("/logout"), 302)
expect("nothing after that", browser.get("/guests"), 302)
