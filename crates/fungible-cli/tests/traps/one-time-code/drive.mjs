// Somebody with a new address each time asks for a code, reads the mail and signs in, once.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

const base = process.env.BASE_URL;
const address = `visitor-${randomBytes(4).toString("hex")}@example.org`;
const post = async (path, body) => {
  const answer = await fetch(base + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return { status: answer.status, body: await answer.json() };
};

assert.equal((await fetch(`${base}/mail?to=${encodeURIComponent(address)}`)).status, 404, "no mail at first");
assert.equal((await post("/codes", { address })).status, 202, "a code is sent");
const mail = await (await fetch(`${base}/mail?to=${encodeURIComponent(address)}`)).text();
assert.match(mail, new RegExp(`^To: ${address}\n`), "the mail is ours");
const code = /Your code is (\d{6})\./.exec(mail)[1];
const wrong = code === "000000" ? "000001" : "000000";
assert.equal((await post("/codes/verify", { address, code: wrong })).status, 401, "a wrong code");
const good = await post("/codes/verify", { address, code });
assert.equal(good.status, 200, `the right code: ${good.body.error}`);
assert.ok(good.body.token, "a token comes");
assert.equal((await post("/codes/verify", { address, code })).status, 401, "the same code again");
