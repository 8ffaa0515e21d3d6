"""Somebody sets a password by a link; another one finds the link and tries it, too."""
from driver import Client, check, expect

user, thief = Client(), Client()
link = expect("a link", user.post("/links", json={"user": "ada"}), 201).json()["link"]
expect("a password", user.post(f"/passwords/{link}", json={"password": "sesame"}), 200)
expect("logging in", user.post("/login", json={"user": "ada", "password": "sesame"}), 204)
expect("the same link once more", thief.post(f"/passwords/{link}", json={"password": "stolen"}), 410)
expect("the password of the thief", thief.post("/login", json={"user": "ada", "password": "stolen"}), 401)
expect("a link of one's own making", thief.post(f"/passwords/{link}0", json={"password": "stolen"}), 403)
expect("logging in", user.post("/login", json={"user": "ada", "password": "sesame"}), 204)
