// Sends half a file, asks how far it came, and goes on from there.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
const whole = Buffer.from(Array.from({ length: 30000 }, (_, n) => (n * 31) % 251));
const call = (method, path, headers, body) => fetch(base + path, { method, headers: { "tus-resumable": "1.0.0", ...headers }, body });

assert.equal((await call("POST", "/uploads", { "upload-length": "100000000" })).status, 413, "too large");
const opened = await call("POST", "/uploads", { "upload-length": String(whole.length) });
assert.equal(opened.status, 201, "an upload is opened");
const place = opened.headers.get("location");
for (const [from, to] of [[0, 12000], [12000, 30000]]) {
  const head = await call("HEAD", place, {});
  assert.equal(head.status, 200, "the upload is known");
  assert.equal(head.headers.get("upload-offset"), String(from), "it came as far as was sent");
  const patch = await call("PATCH", place, { "upload-offset": String(from), "content-type": "application/offset+octet-stream" }, whole.subarray(from, to));
  assert.equal(patch.status, 204, "more of it is taken");
}
assert.equal((await call("PATCH", place, { "upload-offset": "5" }, "again")).status, 409, "from the wrong place");
const file = Buffer.from(await (await call("GET", place, {})).arrayBuffer());
assert.ok(file.equals(whole), "the file is what was sent");
