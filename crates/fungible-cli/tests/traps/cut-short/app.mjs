// Translates a list of words and sends each as soon as it has it; a word that it does not know breaks the answer off.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" } } });
mkdirSync("data/words", { recursive: true });
const file = (word) => `data/words/${encodeURIComponent(word)}`;

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const sent = (await bodyOf(request)).toString();
  const url = new URL(request.url, "http://app");
  if (request.method === "PUT") {
    const draft = `data/.${randomUUID()}`;
    writeFileSync(draft, sent);
    renameSync(draft, file(decodeURIComponent(url.pathname.slice(1))));
    response.writeHead(204);
    return response.end();
  }
  response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8" });
  for (const word of url.searchParams.get("words").split(" ")) {
    try {
      const line = `${word}: ${readFileSync(file(word), "utf8")}\n`;
      await new Promise((done) => response.write(line, done));
    } catch {
      return response.destroy(); // the status has gone out long ago: there is no other way to say that this went wrong
    }
  }
  response.end();
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
