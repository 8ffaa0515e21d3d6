// Resumable uploads: POST opens one, HEAD tells how far it came, PATCH adds, GET gives the file. The bytes are in ./uploads; mended, in data/uploads.
import { createServer } from "node:http";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });
const folder = options.mended ? "data/uploads" : "uploads";
mkdirSync(folder, { recursive: true });

function state(id) {
  if (!/^[0-9a-f]{20}$/.test(id)) return undefined;
  try {
    return { length: Number(readFileSync(`${folder}/${id}.length`, "utf8")), offset: statSync(`${folder}/${id}`).size };
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
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
  const send = (status, headers = {}, data = "") => {
    response.writeHead(status, { "Tus-Resumable": "1.0.0", "Cache-Control": "no-store", ...headers });
    response.end(data);
  };
  if (request.method === "POST" && request.url === "/uploads") {
    const length = Number(request.headers["upload-length"]);
    if (!(length > 0 && length < 1e7)) return send(413);
    const id = randomBytes(10).toString("hex");
    writeFileSync(`${folder}/${id}`, "");
    writeFileSync(`${folder}/${id}.length`, String(length));
    return send(201, { Location: `/uploads/${id}` });
  }
  const id = request.url.replace("/uploads/", "");
  const upload = state(id);
  if (!upload) return send(404);
  const progress = { "Upload-Offset": String(upload.offset), "Upload-Length": String(upload.length) };
  if (request.method === "HEAD") return send(200, progress);
  if (request.method === "GET") {
    if (upload.offset < upload.length) return send(409, progress);
    return send(200, { "Content-Type": "application/octet-stream" }, readFileSync(`${folder}/${id}`));
  }
  if (request.method === "PATCH") {
    if (Number(request.headers["upload-offset"]) !== upload.offset) return send(409, progress);
    if (upload.offset + body.length > upload.length) return send(413);
    appendFileSync(`${folder}/${id}`, body);
    return send(204, { "Upload-Offset": String(upload.offset + body.length) });
  }
  send(405, { Allow: "GET, HEAD, PATCH" });
});
server.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
