"""Opens a session, joins, says two things and hears them answered."""
import json

from driver import Client, check, expect

client = Client()
opening = expect("opening", client.get("/engine/?EIO=4&transport=polling"), 200).text
check("an open packet comes", opening[0] == "0", opening)
engine = "/engine/?EIO=4&transport=polling&sid=" + json.loads(opening[1:])["sid"]
expect("a made-up session", client.get("/engine/?EIO=4&transport=polling&sid=nobody"), 400)
expect("joining", client.post(engine, data="40"), 200)
joined = expect("joined", client.get(engine), 200).text
check("the server lets us in", joined == '40{"ok":true}', joined)
expect("speaking", client.post(engine, data='42["say","hello"]\x1e42["say","again"]'), 200)
heard = expect("hearing", client.get(engine), 200).text.split("\x1e")
check("both were heard, in order", heard == ['42["say heard", "HELLO"]', '42["say heard", "AGAIN"]'], heard)
