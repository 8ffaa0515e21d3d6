"""Votes three times, each with the token of a fresh page; and once with none."""
import re

from driver import Client, check, expect

browser = Client()
for vote in ["yes", "no", "yes"]:
    token = re.search('name="token" value="([^"]+)"', expect("the poll", browser.get("/"), 200).text)[1]
    expect("voting", browser.post("/", form={"token": token, "vote": vote}), 303)
expect("voting without a token", browser.post("/", form={"vote": "no"}), 403)
page = expect("the poll", browser.get("/"), 200).text
check("three votes were counted", "<b>2</b> yes, <b>1</b> no" in page, page)
