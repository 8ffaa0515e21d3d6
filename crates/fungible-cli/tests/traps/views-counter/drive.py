"""Reads an article twice, with another between, and comments on it."""
from driver import Client, check, expect

reader = Client()
expect("the magazine", reader.get("/"), 200)
page = expect("the article", reader.get("/articles/tea"), 200).text
check("it was seen once", "Seen 1 times" in page, page)
page = expect("the other article", reader.get("/articles/clouds"), 200).text
check("it was seen once", "Seen 1 times" in page, page)
answer = expect("a comment", reader.post("/articles/tea/comments", form={"text": "More milk, please."}), 303)
page = expect("the article", reader.get(answer.path()), 200).text
check("the comment is there", "<li>More milk, please.</li>" in page, page)
check("it was seen twice", "Seen 2 times" in page, page)
expect("an article that is not there", reader.get("/articles/coffee"), 404)
