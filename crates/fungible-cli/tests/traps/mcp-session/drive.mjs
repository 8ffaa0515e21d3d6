// A client of tools: initialize, list, call, and the end of the session.
import assert from "node:assert/strict";

let session;
let next = 0;
async function post(method, params, notification = false) {
  const answer = await fetch(`${process.env.BASE_URL}/mcp`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(session && { "mcp-session-id": session }),
    },
    body: JSON.stringify({ jsonrpc: "2.0", method, params, ...(!notification && { id: next++ }) }),
  });
  session ??= answer.headers.get("mcp-session-id");
  return { status: answer.status, body: notification ? await answer.text() : await answer.json() };
}

const hello = await post("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "driver", version: "1" } });
assert.equal(hello.body.result.serverInfo.name, "calculator");
assert.ok(session, "the server opens a session");
assert.equal((await post("notifications/initialized", undefined, true)).status, 202);
assert.deepEqual((await post("tools/list")).body.result.tools.map((tool) => tool.name), ["add", "whoami"]);
assert.equal((await post("tools/call", { name: "add", arguments: { a: 2, b: 40 } })).body.result.content[0].text, "42");
assert.equal((await post("tools/call", { name: "whoami" })).body.result.content[0].text, "driver");
assert.equal((await post("prompts/list")).body.error.code, -32601);
assert.equal((await fetch(`${process.env.BASE_URL}/mcp`, { method: "DELETE", headers: { "mcp-session-id": session } })).status, 204);
