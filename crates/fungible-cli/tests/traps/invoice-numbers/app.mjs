// Writes invoices, one file each. The next number is found at the start and then counted here; mended, a number is taken by making its file.
import { createServer } from "node:http";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });
mkdirSync("data/invoices", { recursive: true });

const numbered = (n) => `INV-${String(n).padStart(4, "0")}`;
const highest = () => Math.max(0, ...readdirSync("data/invoices").map((name) => Number(name.slice(4, 8))));
let last = highest();

function write(invoice) {
  if (!options.mended) {
    const number = numbered(++last);
    writeFileSync(`data/invoices/${number}.json`, JSON.stringify({ number, ...invoice }));
    return number;
  }
  for (let next = highest() + 1; ; next++) {
    try {
      const number = numbered(next);
      writeFileSync(`data/invoices/${number}.json`, JSON.stringify({ number, ...invoice }), { flag: "wx" });
      return number;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
  }
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
  if (request.method === "POST" && request.url === "/invoices") {
    const { customer, cents } = JSON.parse(text);
    if (!customer || !Number.isInteger(cents)) return send(422, { error: "a customer and a sum are needed" });
    const number = write({ customer, cents });
    return send(201, { number, customer, cents }, { Location: `/invoices/${number}` });
  }
  const number = /^\/invoices\/(INV-\d{4})$/.exec(request.url)?.[1];
  try {
    send(200, JSON.parse(readFileSync(`data/invoices/${number}.json`, "utf8")));
  } catch {
    send(404, { error: "no such invoice" });
  }
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
