"""Three guests with new names each time sign the book."""
import random

from driver import Client, check, expect

browser = Client()
page = expect("the book", browser.get("/"), 200).text
check("nobody signed yet", "0 guests so far" in page, page)
expect("signing without a name", browser.post("/", form={"text": "hm"}), 422)
for n in range(1, 4):
    name = f"Guest {random.randrange(10**9):09d} & Co"
    answer = expect("signing", browser.post("/", form={"name": name, "text": f"Entry {n}"}), 303)
    check("it leads to the entry", answer.headers["Location"] == "/#" + name.lower().replace(" & ", "-").replace(" ", "-"), answer.headers["Location"])
    page = expect("the book", browser.get("/"), 200).text
    check("the entry is there", f"<h2>{name.replace('&', '&amp;')}</h2><p>Entry {n}</p>" in page, page)
check("three guests signed", "3 guests so far" in page, page)
