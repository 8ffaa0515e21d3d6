"""Changes the title, switches maintenance on and off."""
from driver import Client, check, expect

browser = Client()
page = expect("the site", browser.get("/"), 200).text
check("it has its first title", "<h1>A site</h1>" in page, page)
expect("the form", browser.get("/settings"), 200)
expect("saving", browser.post("/settings", form={"title": "Flora & fauna", "colour": "#116622"}), 303)
page = expect("the site", browser.get("/"), 200).text
check("it has its new title", "<h1>Flora &#38; fauna</h1>" in page and "#116622" in page, page)
expect("a wrong colour", browser.post("/settings", form={"title": "x", "colour": "green"}), 422)
expect("maintenance", browser.post("/settings", form={"title": "Flora", "colour": "#116622", "maintenance": "on"}), 303)
expect("the site in maintenance", browser.get("/"), 503)
page = expect("the form", browser.get("/settings"), 200).text
check("the box is ticked", " checked>" in page, page)
expect("the end of maintenance", browser.post("/settings", form={"title": "Flora", "colour": "#116622"}), 303)
expect("the site", browser.get("/"), 200)
