// A payment is sent twice, as after a lost answer; it is made once.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

const base = process.env.BASE_URL;
const pay = async (key, cents) => {
  const answer = await fetch(`${base}/payments`, { method: "POST", headers: key ? { "idempotency-key": key } : {}, body: JSON.stringify({ cents }) });
  return { status: answer.status, body: await answer.json() };
};

assert.equal((await pay(undefined, 100)).status, 400, "without a key");
const [one, two] = [randomUUID(), randomUUID()];
const first = await pay(one, 2500);
assert.equal(first.status, 201, "a payment");
const again = await pay(one, 2500);
assert.deepEqual([again.status, again.body], [200, first.body], "the same one again is the first one");
assert.equal((await pay(two, 400)).status, 201, "another payment");
const made = await (await fetch(`${base}/payments`)).json();
assert.deepEqual(made, { count: 2, sum: 2900 }, "two payments were made");
