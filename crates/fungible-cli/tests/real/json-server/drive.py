"""Adds posts, reads, changes and lists them."""
from driver import Client, check, expect

client = Client()
check("there is one post", [post["title"] for post in client.get("/posts").json()] == ["First"])
expect("a post that is not there", client.get("/posts/99"), 404)
for title in ["Second", "Third"]:
    post = expect("a post", client.post("/posts", json={"title": title}), 201).json()
    got = expect("the post", client.get(f"/posts/{post['id']}"), 200).json()
    check("it is what was added", got == post, (got, post))
expect("a change", client.send("PATCH", f"/posts/{post['id']}", json={"title": "Last"}), 200)
titles = [post["title"] for post in expect("all", client.get("/posts"), 200).json()]
check("three posts, one of them changed", titles == ["First", "Second", "Last"], titles)
