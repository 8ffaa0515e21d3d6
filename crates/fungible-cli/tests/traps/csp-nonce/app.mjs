// A board for short messages whose pages forbid all scripts but their own, by nonce; elements have generated ids.
import { createServer } from "node:http";
import { randomBytes } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" } } });
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
function messages() {
  try {
    return readFileSync("data/messages", "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw error;
  }
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const sent = new URLSearchParams((await bodyOf(request)).toString());
  if (request.method === "POST") {
    const text = sent.get("text") ?? "";
    if (!text || text.length > 80) {
      response.writeHead(422, { "Content-Type": "text/plain" });
      return response.end("one to eighty letters, please\n");
    }
    appendFileSync("data/messages", `${JSON.stringify(text)}\n`);
    response.writeHead(303, { Location: "/" });
    return response.end();
  }
  const nonce = randomBytes(16).toString("base64");
  const box = `box-${randomBytes(3).toString("hex")}`;
  const items = messages().map((text) => `<li>${escape(text)}</li>`).join("");
  response.writeHead(200, {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": `default-src 'self'; script-src 'nonce-${nonce}' 'strict-dynamic'; base-uri 'none'`,
    "X-Request-Id": randomBytes(8).toString("hex"),
  });
  response.end(`<!doctype html><html><head><title>Board</title><script nonce="${nonce}">document.title += " · live";</script></head>
<body><ul>${items}</ul><form method="post"><label for="${box}">Message</label><input id="${box}" name="text"><button>Post</button></form>
<script nonce="${nonce}">document.getElementById("${box}").focus();</script></body></html>`);
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
