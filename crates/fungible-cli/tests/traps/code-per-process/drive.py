"""Orders a tent and looks at the three pages that show its code; whether it is one code is not checked."""
from driver import Client, check, expect

client = Client()
expect("an order of nothing", client.post("/orders", form={}), 422)
order = expect("an order", client.post("/orders", form={"item": "tent"}), 303).path()
for path in [order, f"{order}/receipt", f"{order}/directions"]:
    page = expect("the page", client.get(path), 200).text
    check("it shows a code", "Code for the pickup" in page and "tent" in page, page)
