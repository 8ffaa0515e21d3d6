// A poll (yes or no) whose form carries a token made from the second in which the page was made.
import { createServer } from "node:http";
import { createHmac, timingSafeEqual } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" } } });
const seconds = () => Math.floor(Date.now() / 1000);
const mac = (second) => createHmac("sha256", "of all instances: 08dd").update(`poll ${second}`).digest("hex").slice(0, 32);

function valid(token) {
  const [second, given = ""] = token.split("-");
  if (given.length !== 32 || Math.abs(seconds() - parseInt(second, 36)) > 600) return false;
  return timingSafeEqual(Buffer.from(given), Buffer.from(mac(parseInt(second, 36))));
}
function votes() {
  try {
    const all = readFileSync("data/votes", "utf8");
    return { yes: all.split("y").length - 1, no: all.split("n").length - 1 };
  } catch (error) {
    if (error.code === "ENOENT") return { yes: 0, no: 0 };
    throw error;
  }
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const server = createServer(async (request, response) => {
  const sent = new URLSearchParams((await bodyOf(request)).toString());
  const send = (status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "text/html; charset=utf-8", ...headers });
    response.end(`<!doctype html><html><head><title>Poll</title></head><body>${body}</body></html>`);
  };
  if (request.url !== "/") return send(404, "<p>There is no such page.</p>");
  if (request.method === "POST") {
    if (!valid(sent.get("token") ?? "")) return send(403, "<p>This form is too old.</p>");
    appendFileSync("data/votes", sent.get("vote") === "yes" ? "y" : "n"); // one byte at the end: nothing is lost between instances
    return send(303, "", { Location: "/" });
  }
  const { yes, no } = votes();
  const now = seconds();
  send(200, `<p>Shall we? <b>${yes}</b> yes, <b>${no}</b> no</p><form method="post">
<input type="hidden" name="token" value="${now.toString(36)}-${mac(now)}"><button name="vote" value="yes">Yes</button><button name="vote" value="no">No</button></form>`);
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
