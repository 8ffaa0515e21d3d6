// An instance for the deploys of scripts/bench-failover, as a competent developer writes it: 20 ms for each request, a WebSocket
// that says everything again, and on SIGTERM and SIGINT (PM2) it finishes what it has begun and says 1001 to WebSockets.
//
//   app.mjs PORT [HTTP2_PORT]
import http from "node:http";
import http2 from "node:http2";
import { WebSocketServer } from "ws";

const [port, http2Port] = process.argv.slice(2).map(Number);
let leaving = false;

function answer(request, response) {
  request.resume();
  request.on("end", () => setTimeout(() => {
    if (leaving && request.httpVersionMajor === 1) response.setHeader("Connection", "close");
    response.end("ok");
  }, request.url === "/health" ? 0 : 20));
}

const servers = [http.createServer({ keepAliveTimeout: 75_000 }, answer)];
const sessions = new Set();
const sockets = new WebSocketServer({ server: servers[0] });
sockets.on("connection", socket => socket.on("message", message => socket.send(message.toString())));
servers[0].listen(port, "127.0.0.1", 1024, ready);
if (http2Port) {
  servers.push(http2.createServer(answer));
  servers[1].on("session", session => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  servers[1].listen(http2Port, "127.0.0.1", 1024, ready);
}

let listening = 0;
function ready() {
  listening += 1;
  if (listening === servers.length) process.send?.("ready");
}

function leave() {
  if (leaving) return;
  leaving = true;
  for (const socket of sockets.clients) socket.close(1001);
  for (const session of sessions) session.close();
  let open = servers.length;
  for (const server of servers) server.close(() => { if (--open === 0) process.exit(0); });
}
process.on("SIGTERM", leave);
process.on("SIGINT", leave);
