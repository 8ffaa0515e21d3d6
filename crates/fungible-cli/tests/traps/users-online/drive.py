"""Two users log in and read; an admin looks who is there. It does not look at the number."""
from driver import Client, check, expect

admin, ada, bob = Client(), Client(), Client()
page = expect("the admin page", admin.get("/admin"), 200).text
check("it is the admin page", "online</p>" in page, page)
for client, user in [(ada, "ada"), (bob, "bob")]:
    expect("logging in", client.post("/login", form={"user": user}), 200)
    expect("the admin page", admin.get("/admin"), 200)
    page = expect("the first page", client.get("/"), 200).text
    check("it knows the user", f"Hello, {user}." in page, page)
