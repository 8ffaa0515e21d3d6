// Dates to be announced: sent as a form in parts, read as an Atom feed or as a calendar.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" } } });
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const compact = (iso) => iso.replace(/[-:]|\.\d+/g, "");
function dates() {
  try {
    return readFileSync("data/dates", "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
  } catch (error) {
    if (error.code === "ENOENT") return [];
    throw error;
  }
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const body = await bodyOf(request);
  const send = (status, kind, text, headers = {}) => {
    response.writeHead(status, { "Content-Type": `${kind}; charset=utf-8`, ...headers });
    response.end(text);
  };
  if (request.method === "POST") {
    const form = await new Response(body, { headers: { "content-type": request.headers["content-type"] } }).formData();
    if (!form.get("title")) return send(422, "text/plain", "a title is needed\n");
    const date = { id: randomUUID(), title: form.get("title"), day: form.get("day"), notes: await form.get("notes").text(), sent: new Date().toISOString() };
    appendFileSync("data/dates", `${JSON.stringify(date)}\n`);
    return send(201, "text/plain", `urn:uuid:${date.id}\n`);
  }
  const all = dates();
  if (request.url === "/feed.atom") {
    const entries = all.map((d) => `<entry><id>urn:uuid:${d.id}</id><title>${escape(d.title)}</title><updated>${d.sent}</updated><summary>${escape(d.notes)}</summary></entry>`);
    const updated = all.at(-1)?.sent ?? new Date().toISOString();
    return send(200, "application/atom+xml", `<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom"><title>Dates</title><updated>${updated}</updated>${entries.join("")}</feed>\n`);
  }
  if (request.url === "/dates.ics") {
    const now = compact(new Date().toISOString());
    const events = all.map((d) => `BEGIN:VEVENT\r\nUID:${d.id}\r\nDTSTAMP:${now}\r\nDTSTART;VALUE=DATE:${d.day.replaceAll("-", "")}\r\nSUMMARY:${d.title}\r\nEND:VEVENT\r\n`);
    return send(200, "text/calendar", `BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//dates//EN\r\n${events.join("")}END:VCALENDAR\r\n`);
  }
  send(404, "text/plain", "there is no such page\n");
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
