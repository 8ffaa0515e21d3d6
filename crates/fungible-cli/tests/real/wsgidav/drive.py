"""An editor locks a file, another one may not write it, and the first one writes it and unlocks it."""
from driver import Client, check, expect

LOCK = b"""<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>
<D:locktype><D:write/></D:locktype><D:owner>ada</D:owner></D:lockinfo>"""

ada, bob = Client(), Client()
expect("a file", ada.put("/notes.txt", data="first"), 201)
check("it is there", expect("the file", bob.get("/notes.txt"), 200).text == "first")
answer = expect("a lock", ada.send("LOCK", "/notes.txt", data=LOCK, headers={"Timeout": "Second-600", "Content-Type": "application/xml"}), 200)
token = answer.headers["Lock-Token"]
expect("writing what somebody has locked", bob.put("/notes.txt", data="second"), 423)
expect("writing with the lock", ada.put("/notes.txt", data="third", headers={"If": f"({token})"}), 204)
expect("unlocking", ada.send("UNLOCK", "/notes.txt", headers={"Lock-Token": token}), 204)
expect("writing afterwards", bob.put("/notes.txt", data="fourth"), 204)
check("the last is there", expect("the file", ada.get("/notes.txt"), 200).text == "fourth")
