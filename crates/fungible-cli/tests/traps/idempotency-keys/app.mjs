// Payments that may be sent again under the same Idempotency-Key. The keys are a Map; mended, files made once. The payments are shared in both.
import { createServer } from "node:http";
import { createHash, randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, readdirSync, unlinkSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });
mkdirSync("data/keys", { recursive: true });
mkdirSync("data/payments", { recursive: true });

const memory = new Map();

// The payment made under this key: the given one, if it is the first.
function once(key, payment) {
  if (!options.mended) {
    if (!memory.has(key)) memory.set(key, payment);
    return memory.get(key);
  }
  const name = `data/keys/${createHash("sha256").update(key).digest("hex")}`;
  const draft = `data/keys/.${payment.id}`;
  writeFileSync(draft, JSON.stringify(payment));
  try {
    linkSync(draft, name); // fails if the name is there: the first one wins, whole
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  } finally {
    unlinkSync(draft);
  }
  return JSON.parse(readFileSync(name, "utf8"));
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
  if (request.method === "POST" && request.url === "/payments") {
    const key = request.headers["idempotency-key"];
    if (!key) return send(400, { error: "an Idempotency-Key is needed" });
    const fresh = { id: randomUUID(), ...JSON.parse(text) };
    const payment = once(key, fresh);
    if (payment.id !== fresh.id) return send(200, payment, { "Idempotency-Replayed": "true" });
    writeFileSync(`data/payments/${payment.id}`, JSON.stringify(payment));
    return send(201, payment);
  }
  if (request.url === "/payments") {
    const payments = readdirSync("data/payments").map((name) => JSON.parse(readFileSync(`data/payments/${name}`, "utf8")));
    return send(200, { count: payments.length, sum: payments.reduce((sum, payment) => sum + payment.cents, 0) });
  }
  send(404, { error: "no such page" });
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
