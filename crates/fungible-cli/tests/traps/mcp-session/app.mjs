// A server of tools in the manner of MCP over streamable HTTP. Sessions are a Map of the process; mended, the session id carries the session, signed.
import { createServer } from "node:http";
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });

const memory = new Map();
const inMemory = {
  open(session) {
    const id = randomUUID();
    memory.set(id, session);
    return id;
  },
  get: (id) => memory.get(id),
  close: (id) => memory.delete(id),
};
const sign = (text) => createHmac("sha256", "of all instances: 90ab").update(text).digest();
const carried = {
  open(session) {
    const text = Buffer.from(JSON.stringify({ ...session, id: randomUUID() })).toString("base64url");
    return `${text}.${sign(text).toString("base64url")}`;
  },
  get(id) {
    const [text, signature = ""] = id.split(".");
    const given = Buffer.from(signature, "base64url");
    return given.length === 32 && timingSafeEqual(given, sign(text)) ? JSON.parse(Buffer.from(text, "base64url")) : undefined;
  },
  close() {},
};
const sessions = options.mended ? carried : inMemory;

const tools = [
  { name: "add", description: "adds two numbers", inputSchema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } } },
  { name: "whoami", description: "the client, as it named itself", inputSchema: { type: "object" } },
];

function result(session, { method, params }) {
  if (method === "tools/list") return { tools };
  if (method === "ping") return {};
  if (method === "tools/call") {
    const { name, arguments: given = {} } = params;
    const text = { add: () => String(given.a + given.b), whoami: () => session.client }[name]?.();
    return text === undefined ? { isError: true, content: [{ type: "text", text: `no tool ${name}` }] } : { content: [{ type: "text", text }] };
  }
  throw { code: -32601, message: `Method not found: ${method}` };
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(body && JSON.stringify(body));
  };
  if (request.url !== "/mcp") return send(404, { error: "no such page" });
  const id = request.headers["mcp-session-id"];
  const message = chunks.length ? JSON.parse(Buffer.concat(chunks)) : {};
  const wrong = (status, code, text) => send(status, { jsonrpc: "2.0", error: { code, message: text }, id: message.id ?? null });
  if (request.method === "POST" && message.method === "initialize") {
    const session = { client: message.params.clientInfo.name, version: message.params.protocolVersion };
    const answer = { protocolVersion: session.version, capabilities: { tools: {} }, serverInfo: { name: "calculator", version: "1.0.0" } };
    return send(200, { jsonrpc: "2.0", id: message.id, result: answer }, { "Mcp-Session-Id": sessions.open(session) });
  }
  if (!id) return wrong(400, -32000, "Bad Request: Mcp-Session-Id header is required");
  const session = sessions.get(id);
  if (!session) return wrong(404, -32001, "Session not found");
  if (request.method === "DELETE") {
    sessions.close(id);
    return send(204);
  }
  if (message.id === undefined) return send(202);
  try {
    send(200, { jsonrpc: "2.0", id: message.id, result: result(session, message) });
  } catch (error) {
    wrong(200, error.code ?? -32603, error.message);
  }
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
