// An export of lines that is sent while it is made, in pieces of any size, with a checksum as trailer.
import { createServer } from "node:http";
import { createHash } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" } } });

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const sent = await bodyOf(request);
  if (request.method === "POST") {
    const lines = sent.toString().split("\n").filter(Boolean);
    appendFileSync("data/lines", lines.map((line) => `${line}\n`).join(""));
    response.writeHead(201, { "Content-Type": "application/json" });
    return response.end(JSON.stringify({ taken: lines.length }));
  }
  let all;
  try {
    all = readFileSync("data/lines");
  } catch {
    response.writeHead(404, { "Content-Type": "text/plain" });
    return response.end("nothing was imported yet\n");
  }
  response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8", Trailer: "X-Sha256" });
  for (let at = 0; at < all.length; ) {
    const size = 1 + Math.floor(Math.random() * 4000);
    response.write(all.subarray(at, at + size));
    at += size;
    await pause(Math.random() * 3);
  }
  response.addTrailers({ "X-Sha256": createHash("sha256").update(all).digest("hex") });
  response.end();
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
