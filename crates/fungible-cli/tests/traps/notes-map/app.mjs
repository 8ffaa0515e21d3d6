// A REST API for notes. They are in a Map; mended, a file each.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });

const memory = new Map();
const inMemory = {
  all: () => [...memory.values()],
  get: (id) => memory.get(id),
  put: (note) => memory.set(note.id, note),
  remove: (id) => memory.delete(id),
};
const files = {
  all: () => readdirSync("data/notes").filter((name) => name.endsWith(".json")).map((name) => files.get(name.slice(0, -5))).filter(Boolean),
  get(id) {
    try {
      return JSON.parse(readFileSync(`data/notes/${id}.json`, "utf8"));
    } catch (error) {
      if (error.code === "ENOENT") return undefined;
      throw error;
    }
  },
  put(note) {
    const draft = `data/notes/${randomUUID()}.new`;
    writeFileSync(draft, JSON.stringify(note));
    renameSync(draft, `data/notes/${note.id}.json`);
  },
  remove: (id) => rmSync(`data/notes/${id}.json`, { force: true }),
};
if (options.mended) mkdirSync("data/notes", { recursive: true });
const notes = options.mended ? files : inMemory;

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const text = (await bodyOf(request)).toString();
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(body && JSON.stringify(body));
  };
  const id = /^\/notes\/([0-9a-f-]{36})$/.exec(request.url)?.[1];
  if (request.url === "/notes" && request.method === "GET") {
    const list = notes.all().sort((a, b) => a.created.localeCompare(b.created) || a.id.localeCompare(b.id));
    return send(200, { count: list.length, notes: list });
  }
  if (request.url === "/notes" && request.method === "POST") {
    const note = { id: randomUUID(), ...JSON.parse(text), created: new Date().toISOString() };
    if (!note.title) return send(422, { error: "a note needs a title" });
    notes.put(note);
    return send(201, note, { Location: `/notes/${note.id}` });
  }
  const note = id && notes.get(id);
  if (!note) return send(404, { error: "no such note" });
  if (request.method === "GET") return send(200, note);
  if (request.method === "PATCH") {
    notes.put({ ...note, ...JSON.parse(text), id });
    return send(200, notes.get(id));
  }
  if (request.method === "DELETE") {
    notes.remove(id);
    return send(204);
  }
  send(405, { error: "GET, PATCH or DELETE" }, { Allow: "GET, PATCH, DELETE" });
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
