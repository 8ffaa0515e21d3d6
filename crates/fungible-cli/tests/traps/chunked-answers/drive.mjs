// Imports lines, the second time in chunks too, and exports them.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
const lines = (from, to) => Array.from({ length: to - from }, (_, n) => `line ${from + n} ${"ÄÖ".repeat(n % 40)}`);

assert.equal((await fetch(`${base}/export`)).status, 404, "nothing yet");
assert.deepEqual(await (await fetch(`${base}/import`, { method: "POST", body: lines(0, 300).join("\n") })).json(), { taken: 300 });
async function* pieces() {
  for (const line of lines(300, 500)) yield Buffer.from(`${line}\n`);
}
assert.deepEqual(await (await fetch(`${base}/import`, { method: "POST", body: pieces(), duplex: "half" })).json(), { taken: 200 });
const text = await (await fetch(`${base}/export`)).text();
assert.ok(text === `${[...lines(0, 300), ...lines(300, 500)].join("\n")}\n`, "the export is what was imported");
