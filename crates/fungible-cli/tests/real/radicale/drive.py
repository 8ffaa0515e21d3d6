"""Makes a calendar, adds two events, changes one under its ETag, asks for what is in March, follows the changes, and removes one."""
import re

from driver import Client, check, expect

AS_ADA = {"Authorization": "Basic YWRhOg=="}
client = Client()


def send(method, path, body=None, **headers):
    return client.send(method, path, data=body, headers={**AS_ADA, **{name.replace("_", "-"): value for name, value in headers.items()}})


def event(name, day, title):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//driver//EN", "BEGIN:VEVENT", f"UID:{name}", "DTSTAMP:20260101T000000Z"]
    lines += [f"DTSTART:202603{day}T100000Z", f"DTEND:202603{day}T110000Z", f"SUMMARY:{title}", "END:VEVENT", "END:VCALENDAR", ""]
    return "\r\n".join(lines).encode()


def changes(token):
    """What changed since then, and the token of now."""
    body = f'<sync-collection xmlns="DAV:"><sync-token>{token}</sync-token><prop><getetag/></prop></sync-collection>'
    text = expect("the changes", send("REPORT", "/ada/work/", body.encode()), 207).text
    return sorted(re.findall("<href>/ada/work/([^<]+)</href>", text)), re.search("<sync-token>([^<]+)</sync-token>", text)[1]


MARCH = b"""<C:calendar-query xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/><C:calendar-data/></prop><C:filter>
<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range start="20260310T000000Z" end="20260320T000000Z"/></C:comp-filter></C:comp-filter>
</C:filter></C:calendar-query>"""

expect("a calendar", send("MKCALENDAR", "/ada/work/"), 201)
_, token = changes("")
expect("an event", send("PUT", "/ada/work/tea.ics", event("tea", "05", "Tea")), 201)
answer = expect("another one", send("PUT", "/ada/work/walk.ics", event("walk", "12", "Walk")), 201)
expect("a change of what has changed", send("PUT", "/ada/work/walk.ics", event("walk", "14", "Run"), If_Match='"0"'), 412)
expect("a change", send("PUT", "/ada/work/walk.ics", event("walk", "14", "Run"), If_Match=answer.headers["ETag"]), 204)
found = expect("what is in March", send("REPORT", "/ada/work/", MARCH, Depth="1"), 207).text
check("one of them is found", "SUMMARY:Run" in found and "SUMMARY:Tea" not in found, found)
names, token = changes(token)
check("both are new", names == ["tea.ics", "walk.ics"], names)
expect("removing one", send("DELETE", "/ada/work/tea.ics"), 200)
names, token = changes(token)
check("it is gone", names == ["tea.ics"], names)
expect("it is not there", send("GET", "/ada/work/tea.ics"), 404)
check("the other is", "SUMMARY:Run" in expect("the other", send("GET", "/ada/work/walk.ics"), 200).text)
