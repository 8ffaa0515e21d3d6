// Pages in the shared folder. Who edits one has its lock, in a Map; mended, as a file that only one can make.
import { createServer } from "node:http";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });

const inMemory = new Map();
const locks = options.mended
  ? {
      take(page, user) {
        try {
          writeFileSync(`data/${page}.lock`, user, { flag: "wx" });
        } catch (error) {
          if (error.code !== "EEXIST") throw error;
        }
        return this.holder(page) === user;
      },
      holder(page) {
        return read(`data/${page}.lock`);
      },
      release: (page) => rmSync(`data/${page}.lock`),
    }
  : {
      take(page, user) {
        if (!inMemory.has(page)) inMemory.set(page, user);
        return this.holder(page) === user;
      },
      holder: (page) => inMemory.get(page),
      release: (page) => inMemory.delete(page),
    };

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const server = createServer(async (request, response) => {
  const text = await bodyOf(request);
  const send = (status, body) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(body));
  };
  const [, , page, what] = request.url.split("/");
  const user = request.headers.authorization;
  if (what === "lock") return locks.take(page, user) ? send(200, { editing: user }) : send(423, { error: `${locks.holder(page)} is editing this page` });
  if (request.method === "GET") return send(200, { text: read(`data/${page}.txt`) ?? "" });
  if (locks.holder(page) !== user) return send(423, { error: "you are not editing this page" });
  writeFileSync(`data/${page}.new`, text);
  renameSync(`data/${page}.new`, `data/${page}.txt`);
  locks.release(page);
  send(200, { saved: text.length });
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
