// Preferences of signed-in people. They are in a Map; mended, in files; who has none gets the defaults. Sign-ups are in files in both.
import { createServer } from "node:http";
import { createHash, createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });
const defaults = { theme: "light", language: "en", pageSize: 20 };
const memory = new Map();
const file = (user) => `data/${createHash("sha256").update(user).digest("hex").slice(0, 24)}.json`;

function load(user) {
  const own = options.mended ? existsSync(file(user)) && JSON.parse(readFileSync(file(user), "utf8")) : memory.get(user);
  return { ...defaults, ...own };
}
function save(user, preferences) {
  if (!options.mended) return memory.set(user, preferences);
  const draft = `data/.${randomUUID()}`;
  writeFileSync(draft, JSON.stringify(preferences));
  renameSync(draft, file(user));
}

const sign = (user) => createHmac("sha256", "of all instances: e217").update(user).digest("base64url");
function userOf(request) {
  const [user, signature = ""] = decodeURIComponent(/(?:^|; )user=([^;]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "").split("|");
  const [given, right] = [Buffer.from(signature), Buffer.from(sign(user))];
  return given.length === right.length && timingSafeEqual(given, right) ? user : undefined;
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
  const route = `${request.method} ${request.url}`;
  if (route === "POST /signup") {
    const { user } = JSON.parse(text);
    appendFileSync("data/signups.txt", `${user}\n`);
    return send(201, { user }, { "Set-Cookie": `user=${encodeURIComponent(`${user}|${sign(user)}`)}; Path=/; HttpOnly` });
  }
  const user = userOf(request);
  if (!user) return send(401, { error: "please sign up" });
  if (route === "GET /preferences") return send(200, load(user));
  if (route === "PUT /preferences") {
    const sent = JSON.parse(text);
    if (sent.theme && !["light", "dark"].includes(sent.theme)) return send(422, { error: "light or dark" });
    save(user, { ...load(user), ...sent });
    return send(200, load(user));
  }
  if (route === "GET /members") return send(200, { count: readFileSync("data/signups.txt", "utf8").split("\n").length - 1 });
  send(404, { error: "no such page" });
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
