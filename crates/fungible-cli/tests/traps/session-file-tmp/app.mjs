// An API with sessions. They are files in the temporary folder; mended, they travel in a signed cookie.
import { createServer } from "node:http";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });
const key = process.env.SESSION_KEY ?? "of all instances: 4b1f0c";

const folder = join(tmpdir(), "traps-sessions");
const files = {
  seal(session) {
    mkdirSync(folder, { recursive: true });
    const id = randomBytes(18).toString("base64url");
    writeFileSync(join(folder, id), JSON.stringify(session), { mode: 0o600 });
    return id;
  },
  open(id) {
    if (!/^[\w-]{24}$/.test(id)) return null;
    try {
      return JSON.parse(readFileSync(join(folder, id), "utf8"));
    } catch {
      return null;
    }
  },
  forget: (id) => /^[\w-]{24}$/.test(id) && rmSync(join(folder, id), { force: true }),
};
const sign = (text) => createHmac("sha256", key).update(text).digest();
const cookies = {
  seal(session) {
    const text = Buffer.from(JSON.stringify({ ...session, at: Date.now() })).toString("base64url");
    return `${text}.${sign(text).toString("base64url")}`;
  },
  open(value) {
    const [text, signature] = value.split(".");
    const given = Buffer.from(signature ?? "", "base64url");
    if (given.length !== 32 || !timingSafeEqual(given, sign(text))) return null;
    const { at, ...session } = JSON.parse(Buffer.from(text, "base64url"));
    return session;
  },
  forget() {},
};
const sessions = options.mended ? cookies : files;

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
  const cookie = /(?:^|; )session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
  const session = cookie && sessions.open(cookie);
  const route = `${request.method} ${request.url}`;
  if (route === "POST /session") {
    const { name, language } = JSON.parse(Buffer.concat(chunks));
    if (!name) return send(422, { error: "a name is needed" });
    const value = sessions.seal({ name, language: language ?? "en" });
    return send(201, { name }, { "Set-Cookie": `session=${value}; Path=/; HttpOnly; SameSite=Strict` });
  }
  if (!session) return send(401, { error: "no session" });
  if (route === "GET /me") return send(200, session);
  if (route === "GET /greeting") {
    return send(200, { text: `${{ en: "Hello", fi: "Hei", it: "Ciao" }[session.language]}, ${session.name}!` });
  }
  if (route === "DELETE /session") {
    sessions.forget(cookie);
    return send(200, { gone: true }, { "Set-Cookie": "session=; Path=/; Max-Age=0" });
  }
  send(404, { error: "no such page" });
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
