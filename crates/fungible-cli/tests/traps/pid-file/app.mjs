// Bookmarks, a file each in a shared folder. A pid file beside them says that a server runs; mended, it is on the disk of the instance.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });

const pidFile = options.mended ? "server.pid" : "data/server.pid";
if (existsSync(pidFile)) {
  console.error(`A server is already running (process ${readFileSync(pidFile, "utf8").trim()}); if not, remove ${pidFile}`);
  process.exit(1);
}
writeFileSync(pidFile, `${process.pid}\n`);
process.on("SIGTERM", () => {
  rmSync(pidFile, { force: true }); // SIGKILL leaves it behind
  process.exit(0);
});

mkdirSync("data/bookmarks", { recursive: true });
function all() {
  const names = readdirSync("data/bookmarks").filter((name) => name.endsWith(".json"));
  return names.map((name) => JSON.parse(readFileSync(`data/bookmarks/${name}`, "utf8"))).sort((a, b) => a.url.localeCompare(b.url));
}
function keep(bookmark) {
  const draft = `data/bookmarks/${bookmark.id}.new`;
  writeFileSync(draft, JSON.stringify(bookmark));
  renameSync(draft, `data/bookmarks/${bookmark.id}.json`);
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const text = (await bodyOf(request)).toString();
  const send = (status, body) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  };
  if (request.url !== "/bookmarks") return send(404, { error: "no such page" });
  if (request.method === "GET") return send(200, { bookmarks: all() });
  if (request.method !== "POST") return send(405, { error: "only GET and POST" });
  const { url } = JSON.parse(text);
  if (!URL.canParse(url)) return send(422, { error: "that is no address" });
  const bookmark = { id: randomUUID(), url };
  keep(bookmark);
  send(201, bookmark);
});
server.listen(Number(options.port), "127.0.0.1");
