// Builds on request and tells how it goes as server-sent events. Builds are files.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" } } });
mkdirSync("data/builds", { recursive: true });

function load(id) {
  try {
    return /^[0-9a-f-]{36}$/.test(id) ? JSON.parse(readFileSync(`data/builds/${id}.json`, "utf8")) : undefined;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}
function save(build) {
  const draft = `data/builds/.${randomUUID()}`;
  writeFileSync(draft, JSON.stringify(build));
  renameSync(draft, `data/builds/${build.id}.json`);
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const text = (await bodyOf(request)).toString();
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
  if (request.method === "POST" && request.url === "/builds") {
    const build = { id: randomUUID(), branch: JSON.parse(text).branch, state: "new" };
    save(build);
    return send(201, build, { Location: `/builds/${build.id}` });
  }
  const [, , id, part] = request.url.split("/");
  const build = load(id);
  if (!build) return send(404, { error: "no such build" });
  if (part !== "events") return send(200, build);
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  const beats = setInterval(() => response.write("event: ping\ndata: {}\n\n"), 10); // so that nothing in between closes it
  for (const state of ["checked out", "compiled", "tested"]) {
    await pause(15);
    save({ ...build, state });
    response.write(`id: ${randomUUID()}\nevent: progress\ndata: ${JSON.stringify({ branch: build.branch, state, at: new Date().toISOString() })}\n\n`);
  }
  clearInterval(beats);
  response.end();
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
