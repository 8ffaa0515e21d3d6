// Announces two dates and reads the feed and the calendar.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
async function announce(title, day) {
  const form = new FormData();
  form.set("title", title);
  form.set("day", day);
  form.set("notes", new Blob([`about ${title}\r\nand more`], { type: "text/plain" }), "notes.txt");
  const answer = await fetch(`${base}/dates`, { method: "POST", body: form });
  return [answer.status, (await answer.text()).trim()];
}
const read = async (path) => (await fetch(base + path)).text();

assert.doesNotMatch(await read("/feed.atom"), /<entry>/, "no dates yet");
assert.equal((await announce("", "2027-01-01"))[0], 422, "a date without a title");
const [status, moon] = await announce("Full moon", "2026-12-24");
assert.equal(status, 201);
const [, fair] = await announce("Fair & market", "2027-05-01");
const feed = await read("/feed.atom");
assert.deepEqual([...feed.matchAll(/<id>([^<]+)<\/id>/g)].map((found) => found[1]), [moon, fair], "both are in the feed");
assert.match(feed, /<title>Fair &#38; market<\/title>/);
const calendar = await read("/dates.ics");
assert.match(calendar, /DTSTART;VALUE=DATE:20261224\r\nSUMMARY:Full moon\r\n/);
assert.ok(calendar.includes(`UID:${fair.replace("urn:uuid:", "")}\r\n`), "the calendar has the same ids");
