// A client of tools over streamable HTTP: initialize, list, call, and the end of the session. Answers come as event streams.
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
function send(message, method = "POST") {
  return fetch(url, {
    method,
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...(session && { "mcp-session-id": session, "mcp-protocol-version": "2025-06-18" }),
    },
    body: message && JSON.stringify(message),
  });
}

const hello = await call("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "driver", version: "1.0.0" } });
assert.ok(hello.capabilities.tools, "there are tools");
assert.ok(session, "the server opens a session");
assert.equal((await send({ jsonrpc: "2.0", method: "notifications/initialized" })).status, 202, "notifications/initialized");
const { tools } = await call("tools/list", {});
assert.ok(tools.some((tool) => tool.name === "echo"), "echo is one of them");
const echo = await call("tools/call", { name: "echo", arguments: { message: "hello" } });
assert.equal(echo.content[0].text, "Echo: hello");
assert.equal((await send(undefined, "DELETE")).status, 200, "the end of the session");
