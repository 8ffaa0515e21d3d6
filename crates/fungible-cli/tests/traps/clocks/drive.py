"""Notes two events and looks at them, with a pause between, so that time passes."""
import time

from driver import Client, check, expect

browser = Client()
expect("an event without a text", browser.post("/", form={}), 422)
for text in ["started", "went <well>"]:
    answer = expect("an event", browser.post("/", form={"text": text}), 303)
    page = expect("the log", browser.get(answer.path()), 200).text
    time.sleep(0.6)
check("both events are there", "<li>started <time" in page and "<li>went &lt;well&gt; <time" in page, page)
check("their age is told", " ago</time>" in page, page)
events = expect("the log as JSON", browser.get("/api/events"), 200).json()["events"]
check("both are listed", [event["text"] for event in events] == ["started", "went <well>"], events)
check("the first one is older", events[0]["age"] > events[1]["age"], events)
expect("a page that is not there", browser.get("/nowhere"), 404)
