"""Signs in, fills the form in twice; a form without its token is refused."""
import re

from driver import Client, check, expect

browser = Client()
expect("the profile of a stranger", browser.get("/profile"), 401)
expect("signing in", browser.post("/login", form={"name": "rosalind"}), 303)
for motto in ["Look again.", "Science & everyday life"]:
    token = re.search('name="token" value="([^"]+)"', expect("the form", browser.get("/profile"), 200).text)[1]
    expect("saving", browser.post("/profile", form={"token": token, "motto": motto}), 303)
expect("a form without its token", browser.post("/profile", form={"motto": "stolen"}), 403)
page = expect("the profile", browser.get("/profile"), 200).text
check("it has the new motto", "<blockquote>Science &#38; everyday life</blockquote>" in page, page)
