// Three invoices; each is found under its number.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
const post = (invoice) => fetch(`${base}/invoices`, { method: "POST", body: JSON.stringify(invoice) });

assert.equal((await post({ customer: "nobody" })).status, 422, "an invoice over nothing");
const given = [];
for (const [customer, cents] of [["Acme", 1200], ["Bolt & Nut", 99], ["Acme", 7050]]) {
  const answer = await post({ customer, cents });
  assert.equal(answer.status, 201, "an invoice is written");
  given.push({ place: answer.headers.get("location"), ...(await answer.json()) });
}
for (const { place, ...invoice } of given) {
  assert.deepEqual(await (await fetch(base + place)).json(), invoice, "the invoice is what was written");
}
