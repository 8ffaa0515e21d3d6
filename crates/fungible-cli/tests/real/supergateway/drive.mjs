// A client of tools over streamable HTTP: it notes something in the graph and reads it. Answers come as event streams.
import assert from "node:assert/strict";

const url = `${process.env.BASE_URL}/mcp`;
let session;
let next = 1;

async function call(method, params) {
  const id = next++;
  const answer = await send({ jsonrpc: "2.0", id, method, params });
  assert.equal(answer.status, 200, `${method}: ${answer.status}`);
  session ??= answer.headers.get("mcp-session-id");
  const text = await answer.text();
  const messages = text.split(/\r?\n/).filter((line) => line.startsWith("data: {")).map((line) => JSON.parse(line.slice(6)));
  const reply = messages.find((message) => message.id === id);
  assert.ok(reply?.result, `${method}: ${JSON.stringify(reply ?? text)}`);
  return reply.result;
}
function send(message) {
  return fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-06-18",
      ...(session && { "mcp-session-id": session }),
    },
    body: JSON.stringify(message),
  });
}

await call("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "driver", version: "1.0.0" } });
assert.equal((await send({ jsonrpc: "2.0", method: "notifications/initialized" })).status, 202, "notifications/initialized");
const entities = [{ name: "tea", entityType: "drink", observations: ["is hot"] }];
await call("tools/call", { name: "create_entities", arguments: { entities } });
const found = await call("tools/call", { name: "search_nodes", arguments: { query: "tea" } });
assert.deepEqual(JSON.parse(found.content[0].text).entities, entities);
