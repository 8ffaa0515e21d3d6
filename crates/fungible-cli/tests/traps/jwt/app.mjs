// An API with short access tokens and long refresh tokens, all JWTs under one key; nothing is stored.
import { createServer } from "node:http";
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" } } });
const key = process.env.JWT_KEY ?? "of all instances: 64fe";
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const sign = (text) => createHmac("sha256", key).update(text).digest("base64url");

function issue(claims, seconds) {
  const iat = Math.floor(Date.now() / 1000);
  const text = `${encode({ alg: "HS256", typ: "JWT", kid: "2026" })}.${encode({ ...claims, iss: "api", iat, exp: iat + seconds, jti: randomUUID() })}`;
  return `${text}.${sign(text)}`;
}
function claims(token, use) {
  const [head, payload, signature = ""] = token.split(".");
  const [given, right] = [Buffer.from(signature), Buffer.from(sign(`${head}.${payload}`))];
  if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
  const found = JSON.parse(Buffer.from(payload, "base64url"));
  return found.use === use && found.exp > Date.now() / 1000 ? found : undefined;
}
const pair = (sub, role) => ({
  access_token: issue({ sub, role, use: "access" }, 300),
  refresh_token: issue({ sub, role, use: "refresh" }, 86400),
  token_type: "Bearer",
  expires_in: 300,
});

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const text = (await bodyOf(request)).toString();
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers });
    response.end(JSON.stringify(body));
  };
  const route = `${request.method} ${request.url}`;
  if (route === "POST /token") {
    const form = new URLSearchParams(text);
    if (form.get("grant_type") === "refresh_token") {
      const found = claims(form.get("refresh_token") ?? "", "refresh");
      return found ? send(200, pair(found.sub, found.role)) : send(400, { error: "invalid_grant" });
    }
    if (form.get("password") !== "open sesame") return send(400, { error: "invalid_grant" });
    return send(200, pair(form.get("username"), form.get("username") === "root" ? "admin" : "user"));
  }
  const found = claims((request.headers.authorization ?? "").replace("Bearer ", ""), "access");
  if (!found) return send(401, { error: "invalid_token" }, { "WWW-Authenticate": 'Bearer error="invalid_token"' });
  if (route === "GET /me") return send(200, { name: found.sub, role: found.role, expires: new Date(found.exp * 1000).toISOString() });
  if (route === "GET /admin") return found.role === "admin" ? send(200, { secrets: 3 }) : send(403, { error: "for admins" });
  send(404, { error: "no such page" });
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
