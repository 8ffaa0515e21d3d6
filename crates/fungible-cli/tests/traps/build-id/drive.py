"""Opens the page, loads its script as a browser does, and asks for a sum."""
import re

from driver import Client, check, expect

browser = Client()
page = expect("the page", browser.get("/"), 200).text
script = expect("its script", browser.get(re.search('src="([^"]+)"', page)[1]), 200)
check("it is the script", "/sums" in script.text, script)
total = expect("a sum", browser.post("/sums", json=[2, 3]), 200).json()
check("it is right", total == {"sum": 5}, total)
