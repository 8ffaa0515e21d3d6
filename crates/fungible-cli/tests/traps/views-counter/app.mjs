// A magazine: articles with comments and a count of views. The count is in a Map; mended, it is the length of a file that all add to.
import { createServer } from "node:http";
import { appendFileSync, readFileSync, statSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });

const articles = { tea: "On tea", clouds: "A history of clouds", knots: "Twelve good knots" };
const views = new Map();

function seen(name) {
  if (options.mended) {
    appendFileSync(`data/${name}.views`, "."); // one byte, added at the end: nothing is lost between instances
    return statSync(`data/${name}.views`).size;
  }
  views.set(name, (views.get(name) ?? 0) + 1);
  return views.get(name);
}
function comments(name) {
  try {
    return readFileSync(`data/${name}.comments`, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw error;
  }
}
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (title, body) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title></head><body><h1>${title}</h1>${body}</body></html>`;

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const sent = new URLSearchParams((await bodyOf(request)).toString());
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "text/html; charset=utf-8", ...headers });
    response.end(body);
  };
  const [, section, name, part] = request.url.split("/");
  if (request.url === "/") {
    const items = Object.entries(articles).map(([key, title]) => `<li><a href="/articles/${key}">${title}</a></li>`);
    return send(200, page("Magazine", `<ul>${items.join("")}</ul>`));
  }
  if (section !== "articles" || !(name in articles)) return send(404, page("Not found", ""));
  if (request.method === "POST" && part === "comments") {
    appendFileSync(`data/${name}.comments`, `${JSON.stringify(sent.get("text"))}\n`);
    return send(303, "", { Location: `/articles/${name}` });
  }
  const list = comments(name).map((text) => `<li>${escape(text)}</li>`).join("");
  send(200, page(articles[name], `<p>…</p><ul class="comments">${list}</ul><footer>Seen ${seen(name)} times</footer>`));
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
