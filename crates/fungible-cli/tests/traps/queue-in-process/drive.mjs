// Two mails to one address; both arrive within three seconds.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

const base = process.env.BASE_URL;
const post = (mail) => fetch(`${base}/mails`, { method: "POST", body: JSON.stringify(mail) });
const sent = async () => (await (await fetch(`${base}/sent?to=ada@example.org`)).json()).subjects;

assert.equal((await post({ to: "nowhere" })).status, 422);
assert.deepEqual(await sent(), [], "nothing was sent yet");
assert.equal((await post({ to: "ada@example.org", subject: "Your order" })).status, 202);
await arrived(["Your order"]);
assert.equal((await post({ to: "ada@example.org", subject: "Your invoice" })).status, 202);
await arrived(["Your invoice", "Your order"]);

async function arrived(subjects) {
  let seen;
  for (const until = Date.now() + 3000; Date.now() < until; await pause(50)) {
    seen = await sent();
    if (seen.length === subjects.length) break;
  }
  assert.deepEqual(seen, subjects, "the mails arrive");
}
