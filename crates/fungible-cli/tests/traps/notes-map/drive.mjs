// Creates, reads, changes, lists and deletes notes.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
const call = async (method, path, body) => {
  const answer = await fetch(base + path, { method, body: body && JSON.stringify(body), headers: { "content-type": "application/json" } });
  const text = await answer.text();
  return { status: answer.status, place: answer.headers.get("location"), body: text && JSON.parse(text) };
};

assert.equal((await call("POST", "/notes", { text: "?" })).status, 422, "a note without a title");
const milk = await call("POST", "/notes", { title: "Milk", text: "two litres" });
assert.equal(milk.status, 201, "a note");
assert.deepEqual((await call("GET", milk.place)).body, milk.body, "the note is what was created");
assert.equal((await call("PATCH", milk.place, { text: "three litres" })).body.text, "three litres", "the note is changed");
const bread = await call("POST", "/notes", { title: "Bread" });
const list = (await call("GET", "/notes")).body;
assert.deepEqual([list.count, list.notes[0].text], [2, "three litres"], "both notes are listed");
assert.equal((await call("DELETE", bread.place)).status, 204, "a note is deleted");
assert.equal((await call("GET", bread.place)).status, 404, "it is gone");
assert.equal((await call("GET", "/notes")).body.count, 1, "one is left");
