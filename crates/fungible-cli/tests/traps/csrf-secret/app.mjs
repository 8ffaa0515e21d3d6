// A profile that is edited by a form. Logins are signed with the key of all; the form's token with a secret of this process; mended, with that key too.
import { createServer } from "node:http";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });
const key = "of all instances: 77c2";
const formKey = options.mended ? `forms, ${key}` : randomBytes(32);

const mac = (secret, text) => createHmac("sha256", secret).update(text).digest("hex");
const same = (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (body) => `<!doctype html><html><head><title>Profile</title></head><body>${body}</body></html>`;

function profile(name) {
  try {
    return JSON.parse(readFileSync(`data/${name}.json`, "utf8"));
  } catch {
    return { motto: "" };
  }
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const sent = new URLSearchParams(Buffer.concat(chunks).toString());
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "text/html; charset=utf-8", ...headers });
    response.end(page(body));
  };
  const route = `${request.method} ${request.url}`;
  if (route === "POST /login") {
    const name = (sent.get("name") ?? "").replace(/[^a-z]/g, "");
    const session = `${name}.${randomBytes(12).toString("hex")}`;
    return send(303, "", { Location: "/profile", "Set-Cookie": `login=${session}.${mac(key, session)}; Path=/; HttpOnly` });
  }
  const [name, nonce, signature = ""] = (/(?:^|; )login=([^;]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "").split(".");
  if (!same(signature, mac(key, `${name}.${nonce}`))) return send(401, "<p>Please sign in.</p>");
  const token = mac(formKey, nonce);
  if (route === "GET /profile") {
    return send(200, `<h1>${name}</h1><blockquote>${escape(profile(name).motto)}</blockquote>
<form method="post"><input type="hidden" name="token" value="${token}"><input name="motto"><button>Save</button></form>`);
  }
  if (route === "POST /profile") {
    if (!same(sent.get("token") ?? "", token)) return send(403, "<p>The form is out of date: CSRF token mismatch.</p>");
    const draft = `data/.${name}.${randomBytes(6).toString("hex")}`;
    writeFileSync(draft, JSON.stringify({ motto: sent.get("motto") }));
    renameSync(draft, `data/${name}.json`);
    return send(303, "", { Location: "/profile" });
  }
  send(404, "<p>There is no such page.</p>");
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
