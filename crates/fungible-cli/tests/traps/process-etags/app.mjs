// A glossary. Its ETags begin with a word that each process makes up, as some frameworks do.
import { createServer } from "node:http";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" } } });
const boot = randomBytes(4).toString("hex");
mkdirSync("data/terms", { recursive: true });
const file = (term) => `data/terms/${encodeURIComponent(term)}.json`;

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const text = (await bodyOf(request)).toString();
  const send = (status, body) => {
    const data = JSON.stringify(body);
    const tag = createHash("sha1").update(data).digest("base64url").slice(0, 12);
    response.writeHead(status, { "Content-Type": "application/json", ETag: `W/"${boot}-${tag}"`, "Cache-Control": "no-cache, private" });
    response.end(request.method === "HEAD" ? undefined : data);
  };
  const term = decodeURIComponent(/^\/terms\/([^/]+)$/.exec(request.url)?.[1] ?? "");
  if (request.url === "/terms") {
    return send(200, { terms: readdirSync("data/terms").filter((name) => name.endsWith(".json")).map((name) => decodeURIComponent(name.slice(0, -5))).sort() });
  }
  if (!term) return send(404, { error: "no such page" });
  if (request.method === "PUT") {
    const draft = `data/terms/.${randomUUID()}`;
    writeFileSync(draft, JSON.stringify({ term, meaning: JSON.parse(text).meaning }));
    renameSync(draft, file(term));
    return send(200, { term });
  }
  try {
    send(200, JSON.parse(readFileSync(file(term), "utf8")));
  } catch {
    send(404, { error: `no such term: ${term}` });
  }
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
