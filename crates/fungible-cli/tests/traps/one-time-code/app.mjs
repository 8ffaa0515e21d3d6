// Signs people in by a code that is mailed (to files below data/mail, which /mail shows in development). Codes under way are a Map; mended, files.
import { createServer } from "node:http";
import { createHash, createHmac, randomInt, randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });
const digest = (text) => createHash("sha256").update(text).digest("hex").slice(0, 32);

function put(folder, name, text) {
  mkdirSync(`data/${folder}`, { recursive: true });
  const draft = `data/${folder}/.${randomUUID()}`;
  writeFileSync(draft, text);
  renameSync(draft, `data/${folder}/${name}`);
}

const memory = new Map();
const inMemory = {
  put: (address, code) => memory.set(address, code),
  take(address, code) {
    if (memory.get(address) !== code) return false;
    return memory.delete(address);
  },
};
const shared = {
  put: (address, code) => put("codes", digest(address), digest(code)),
  // A code is good once: who renames the file away first has it.
  take(address, code) {
    const name = `data/codes/${digest(address)}`;
    try {
      if (readFileSync(name, "utf8") !== digest(code)) return false;
      renameSync(name, `${name}.used`);
      return true;
    } catch (error) {
      if (error.code === "ENOENT") return false;
      throw error;
    }
  },
};
const codes = options.mended ? shared : inMemory;

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const send = (status, body, kind = "application/json") => {
    response.writeHead(status, { "Content-Type": kind });
    response.end(kind === "application/json" ? JSON.stringify(body) : body);
  };
  const url = new URL(request.url, "http://app");
  const route = `${request.method} ${url.pathname}`;
  const sent = chunks.length ? JSON.parse(Buffer.concat(chunks)) : {};
  if (route === "POST /codes") {
    const code = String(randomInt(1_000_000)).padStart(6, "0");
    codes.put(sent.address, code);
    put("mail", digest(sent.address), `To: ${sent.address}\n\nYour code is ${code}. It is good for ten minutes.\n`);
    return send(202, { sent: true });
  }
  if (route === "POST /codes/verify") {
    if (!codes.take(sent.address, sent.code)) return send(401, { error: "this code is wrong or used up" });
    const signature = createHmac("sha256", "of all instances: 31f8").update(sent.address).digest("base64url");
    return send(200, { token: `${Buffer.from(sent.address).toString("base64url")}.${signature}` });
  }
  if (route === "GET /mail") {
    try {
      return send(200, readFileSync(`data/mail/${digest(url.searchParams.get("to"))}`, "utf8"), "text/plain");
    } catch {
      return send(404, { error: "no mail" });
    }
  }
  send(404, { error: "no such page" });
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
