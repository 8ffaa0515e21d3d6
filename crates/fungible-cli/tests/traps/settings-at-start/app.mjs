// A site with settings in a file. They are read at the start and kept up to date by whoever saves them; mended, read for each page.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });

const file = "data/settings.json";
const defaults = { title: "A site", colour: "#204060", maintenance: false };

function load() {
  try {
    return { ...defaults, ...JSON.parse(readFileSync(file, "utf8")) };
  } catch (error) {
    if (error.code === "ENOENT") return { ...defaults };
    throw error;
  }
}
function save(settings) {
  const draft = `data/.${randomUUID()}`;
  writeFileSync(draft, JSON.stringify(settings, null, 2));
  renameSync(draft, file);
}

let atStart = load();
const settings = () => (options.mended ? load() : atStart);
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const sent = new URLSearchParams((await bodyOf(request)).toString());
  const route = `${request.method} ${request.url}`;
  const { title, colour, maintenance } = settings();
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "text/html; charset=utf-8", ...headers });
    response.end(`<!doctype html><html><head><title>${escape(title)}</title><style>body { color: ${colour} }</style></head><body>${body}</body></html>`);
  };
  if (route === "POST /settings") {
    const colour = sent.get("colour");
    if (!/^#[0-9a-f]{6}$/.test(colour)) return send(422, "<p>A colour is # and six hexadecimal digits.</p>");
    atStart = { title: sent.get("title"), colour, maintenance: sent.get("maintenance") === "on" };
    save(atStart);
    return send(303, "", { Location: "/" });
  }
  if (route === "GET /settings") {
    return send(200, `<form method="post"><input name="title" value="${escape(title)}"><input name="colour" value="${colour}">
<input type="checkbox" name="maintenance"${maintenance ? " checked" : ""}><button>Save</button></form>`);
  }
  if (route !== "GET /") return send(404, "<p>There is no such page.</p>");
  if (maintenance) return send(503, "<p>We are working on it.</p>", { "Retry-After": "60" });
  send(200, `<h1>${escape(title)}</h1><p>Welcome.</p>`);
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
