"""Ada edits a page; Bob has to wait until she has saved it."""
from driver import Client, check, expect


class Author(Client):
    def __init__(self, name):
        super().__init__()
        self.name = name

    def send(self, method, path, **more):
        return super().send(method, path, headers={"Authorization": self.name}, **more)


ada, bob = Author("ada"), Author("bob")
check("an empty page", expect("the page", ada.get("/pages/tea"), 200).json()["text"] == "")
expect("saving without the lock", bob.put("/pages/tea", data="Bob was here"), 423)
expect("editing", ada.post("/pages/tea/lock"), 200)
expect("editing what somebody edits", bob.post("/pages/tea/lock"), 423)
expect("saving", ada.put("/pages/tea", data="Tea, by Ada"), 200)
check("it is Ada's", expect("the page", bob.get("/pages/tea"), 200).json()["text"] == "Tea, by Ada")
expect("editing", bob.post("/pages/tea/lock"), 200)
expect("saving", bob.put("/pages/tea", data="Tea, by Ada and Bob"), 200)
check("it is both's", expect("the page", ada.get("/pages/tea"), 200).json()["text"] == "Tea, by Ada and Bob")
