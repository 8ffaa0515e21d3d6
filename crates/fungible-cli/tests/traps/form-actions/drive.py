"""Signs the guest book twice, by the form of the page, and looks."""
import re

from driver import Client, check, expect

client = Client()
for name in ("Ada", "Bob"):
    page = expect("the page", client.get("/"), 200).text
    expect("the name", client.post(re.search('action="([^"]+)"', page)[1], form={"name": name}), 303)
page = expect("the page", client.get("/"), 200).text
check("both are there", re.findall("<li>(.*?)</li>", page) == ["Ada", "Bob"], page)
