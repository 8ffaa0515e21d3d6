// A garden diary that shows a tip, drawn anew for each page.
import { createServer } from "node:http";
import { appendFileSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" } } });
const tips = [
  "Water in the morning.", "Leave the leaves.", "Sow again in two weeks.", "Cut what has faded.",
  "Let the ladybirds be.", "Cover the young plants.", "Turn the compost.", "Harvest before the rain.",
];
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
function entries() {
  try {
    return readFileSync("data/garden", "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
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
  const tip = tips[Math.floor(Math.random() * tips.length)];
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "text/html; charset=utf-8", ...headers });
    response.end(`<!doctype html><html><head><title>Garden</title></head><body>${body}<aside>${tip}</aside></body></html>`);
  };
  if (request.method === "POST") {
    if (!sent.get("text")) return send(422, "<p>What did you do?</p>");
    appendFileSync("data/garden", `${JSON.stringify(sent.get("text"))}\n`);
    return send(303, "", { Location: "/" });
  }
  send(200, `<ul>${entries().map((text) => `<li>${escape(text)}</li>`).join("")}</ul>`);
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
