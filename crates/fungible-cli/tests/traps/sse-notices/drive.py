"""One listens, another one writes two notices and looks at the list; the first has to hear both."""
import http.client
import urllib.parse

from driver import BASE_URL, Client, check, expect

connection = http.client.HTTPConnection(urllib.parse.urlsplit(BASE_URL).netloc, timeout=30)
connection.request("GET", "/events")
stream = connection.sock
answer = connection.getresponse()
check("there is a stream", answer.status == 200, answer.status)


def hears(what):
    """The next event is this one. What has not come after two seconds does not come."""
    try:
        lines = []
        while (line := answer.readline().decode().rstrip("\n")) != "":
            lines.append(line)
    except OSError as error:
        lines = [str(error)]
    check(f"{what} is heard", lines[-1] == f"data: {what}", lines)


hears("-")
stream.settimeout(2)
author, texts = Client(), []
for text in ["tea is ready", "end"]:
    expect("a notice", author.post("/notices", json={"text": text}), 202)
    texts.append(text)
    check("it is listed", expect("the list", author.get("/notices"), 200).json()["notices"] == texts)
    hears(text)
