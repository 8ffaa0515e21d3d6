"""Two people log in, one logs out: that one's token is void, the other's is not."""
from driver import Client, check, expect


def login(name):
    token = expect("log-in", client.post("/login", json={"name": name}), 200).json()["token"]
    return {"Authorization": f"Bearer {token}"}


client = Client()
ada, bob = login("ada"), login("bob")
check("it is Ada", expect("Ada", client.get("/me", headers=ada), 200).json() == {"name": "ada"})
check("it is Bob", expect("Bob", client.get("/me", headers=bob), 200).json() == {"name": "bob"})
expect("log-out", client.post("/logout", headers=ada), 200)
expect("Ada after the log-out", client.get("/me", headers=ada), 401)
expect("Bob", client.get("/me", headers=bob), 200)
expect("a second log-out", client.post("/logout", headers=ada), 401)
