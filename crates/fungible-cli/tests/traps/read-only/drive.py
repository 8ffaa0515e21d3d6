"""Follows every link of the first page."""
import re

from driver import Client, check, expect

browser = Client()
links = re.findall('href="([^"]+)"', expect("the first page", browser.get("/"), 200).text)
check("there are three knots", len(links) == 3, links)
for link in links:
    expect(link, browser.get(link), 200)
expect("a knot that is not there", browser.get("/granny"), 404)
