// A shop without accounts: the first thing put into the cart makes the cart. Carts are a Map; mended, files that all share.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });

const memory = new Map();
const inMemory = { get: (id) => memory.get(id), put: (id, cart) => memory.set(id, cart) };
const shared = {
  get(id) {
    if (!/^[0-9a-f-]{36}$/.test(id)) return undefined;
    try {
      return JSON.parse(readFileSync(`data/carts/${id}.json`, "utf8"));
    } catch (error) {
      if (error.code === "ENOENT") return undefined;
      throw error;
    }
  },
  put(id, cart) {
    mkdirSync("data/carts", { recursive: true });
    const draft = `data/carts/${id}.${randomUUID()}.tmp`;
    writeFileSync(draft, JSON.stringify(cart));
    renameSync(draft, `data/carts/${id}.json`);
  },
};
const carts = options.mended ? shared : inMemory;

function cartOf(request, response) {
  const known = /(?:^|; )cart=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
  const cart = known && carts.get(known);
  if (cart) return [known, cart];
  const id = randomUUID();
  response.setHeader("Set-Cookie", `cart=${id}; Path=/; HttpOnly`);
  return [id, { items: {} }];
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : {};
}

const prices = { tea: 450, cup: 1200, spoon: 300 };
const total = (cart) => Object.entries(cart.items).reduce((sum, [name, count]) => sum + prices[name] * count, 0);

async function answer(request, response) {
  const send = (status, body) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const sent = await bodyOf(request);
  if (request.url === "/products") return send(200, prices);
  if (request.url === "/cart" && request.method === "GET") {
    const [, cart] = cartOf(request, response);
    return send(200, { items: cart.items, total: total(cart) });
  }
  if (request.url === "/cart/items" && request.method === "POST") {
    if (!(sent.product in prices)) return send(422, { error: `there is no ${sent.product}` });
    const [id, cart] = cartOf(request, response);
    cart.items[sent.product] = (cart.items[sent.product] ?? 0) + (sent.count ?? 1);
    carts.put(id, cart);
    return send(201, { items: cart.items, total: total(cart) });
  }
  send(404, { error: "no such page" });
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(error.message);
  });
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
