// Writes two terms and reads them.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
const put = (term, meaning) => fetch(`${base}/terms/${encodeURIComponent(term)}`, { method: "PUT", body: JSON.stringify({ meaning }) });
const get = (term) => fetch(`${base}/terms/${encodeURIComponent(term)}`);

assert.equal((await get("drain")).status, 404, "not yet");
assert.equal((await put("drain", "to let end what has begun")).status, 200);
assert.equal((await put("hand-over", "to go to another instance / than before")).status, 200);
const drain = await get("drain");
assert.match(drain.headers.get("etag"), /^W\/"[0-9a-f]{8}-[\w-]{12}"$/, "there is an ETag");
assert.equal((await drain.json()).meaning, "to let end what has begun");
assert.equal((await put("drain", "to finish")).status, 200);
assert.equal((await (await get("drain")).json()).meaning, "to finish", "the new meaning");
assert.deepEqual((await (await fetch(`${base}/terms`)).json()).terms, ["drain", "hand-over"]);
assert.equal((await fetch(`${base}/terms/hand-over`, { method: "HEAD" })).status, 200);
