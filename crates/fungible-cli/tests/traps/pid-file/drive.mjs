// Two bookmarks, and the list after each.
import assert from "node:assert/strict";

const address = `${process.env.BASE_URL}/bookmarks`;
const post = (url) => fetch(address, { method: "POST", body: JSON.stringify({ url }) });
const list = async () => (await (await fetch(address)).json()).bookmarks;

assert.deepEqual(await list(), [], "there are none yet");
assert.equal((await post("nowhere")).status, 422);
const kept = [];
for (const url of ["https://a.example/", "https://b.example/"]) {
  const answer = await post(url);
  assert.equal(answer.status, 201);
  kept.push(await answer.json());
  assert.deepEqual(await list(), kept, "all are there");
}
