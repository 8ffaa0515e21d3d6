// Takes mails with 202 and sends them (into data/sent) a little later. The queue is an array; mended, a folder that worker.mjs empties.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });
mkdirSync("data/queue", { recursive: true });
mkdirSync("data/sent", { recursive: true });

function put(folder, mail) {
  const draft = `data/.${randomUUID()}`;
  writeFileSync(draft, JSON.stringify(mail));
  renameSync(draft, `data/${folder}/${mail.id}.json`);
}

// The mail server is slow: longer than it takes to kill an instance on a busy machine.
const slowness = 250;
const queue = [];
function sendNext() {
  const mail = queue.shift();
  if (mail) put("sent", mail);
  if (queue.length) setTimeout(sendNext, slowness);
}
function enqueue(mail) {
  if (options.mended) return put("queue", mail);
  queue.push(mail);
  if (queue.length === 1) setTimeout(sendNext, slowness);
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
  const url = new URL(request.url, "http://app");
  const route = `${request.method} ${url.pathname}`;
  if (route === "POST /mails") {
    const { to, subject } = JSON.parse(text);
    if (!to?.includes("@")) return send(422, { error: "an address is needed" });
    const mail = { id: randomUUID(), to, subject };
    enqueue(mail);
    return send(202, { id: mail.id });
  }
  if (route === "GET /sent") {
    const mails = readdirSync("data/sent").map((name) => JSON.parse(readFileSync(`data/sent/${name}`, "utf8")));
    return send(200, { subjects: mails.filter((mail) => mail.to === url.searchParams.get("to")).map((mail) => mail.subject).sort() });
  }
  send(404, { error: "no such page" });
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
