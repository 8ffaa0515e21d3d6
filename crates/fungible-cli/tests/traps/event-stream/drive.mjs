// Starts a build, listens until its end and looks at what came of it.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
assert.equal((await fetch(`${base}/builds/none`)).status, 404);
const made = await fetch(`${base}/builds`, { method: "POST", body: JSON.stringify({ branch: "main" }) });
assert.equal(made.status, 201);
const place = base + made.headers.get("location");
assert.equal((await (await fetch(place)).json()).state, "new");

const events = [];
let text = "";
const stream = await fetch(`${place}/events`, { headers: { accept: "text/event-stream" } });
assert.equal(stream.headers.get("content-type"), "text/event-stream");
for await (const piece of stream.body.pipeThrough(new TextDecoderStream())) {
  text += piece;
  for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
    const event = text.slice(0, end);
    if (!event.startsWith("event: ping")) events.push(JSON.parse(/^data: (.*)$/m.exec(event)[1]));
  }
}
assert.deepEqual(events.map((event) => `${event.branch} ${event.state}`), ["main checked out", "main compiled", "main tested"]);
assert.equal((await (await fetch(place)).json()).state, "tested");
