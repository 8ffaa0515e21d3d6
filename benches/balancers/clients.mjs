// Clients of the deploys of scripts/bench-failover: 75 requests a second on kept HTTP/1.1 connections, as many over HTTP/2, GET and
// POST in turns, and ten WebSockets that say something each second. Nothing is sent twice: a client that retries would hide what we
// look for. They end on SIGTERM and print what happened to them as JSON.
//
//   clients.mjs HTTP1_PORT HTTP2_PORT
import http from "node:http";
import http2 from "node:http2";
import WebSocket from "ws";

const [port, http2Port] = process.argv.slice(2).map(Number);
const BETWEEN = 1000 / 75;
const seen = { requests: { h1: 0, h2: 0 }, failed: { h1: 0, h2: 0 }, kinds: {}, sockets: { opened: 0, closed: 0, without1001: 0, refused: 0 } };
let over = false;

function note(protocol, problem) {
  seen.requests[protocol] += 1;
  if (!problem) return;
  seen.failed[protocol] += 1;
  const kind = `${protocol} ${problem}`;
  seen.kinds[kind] = (seen.kinds[kind] ?? 0) + 1;
}

const agent = new http.Agent({ keepAlive: true, scheduling: "lifo" });

function ask1(method) {
  const request = http.request({ port, host: "127.0.0.1", agent, method, path: "/", timeout: 10_000 }, response => {
    response.resume();
    response.on("end", () => note("h1", response.statusCode === 200 ? null : response.statusCode));
    response.on("error", error => note("h1", error.code));
  });
  request.on("timeout", () => request.destroy(Object.assign(new Error(), { code: "timeout" })));
  let noted = false;
  request.on("error", error => { if (!noted) note("h1", error.code ?? error.message); noted = true; });
  request.end(method === "POST" ? "x".repeat(32) : undefined);
}

// A connection that says GOAWAY gets no more requests; that is part of HTTP/2, and no failure.
let session = null;
function open2() {
  const opened = http2.connect(`http://127.0.0.1:${http2Port}`);
  const leaves = () => { if (session === opened) session = null; };
  opened.on("goaway", leaves);
  opened.on("close", leaves);
  opened.on("error", leaves);
  return opened;
}

function ask2(method) {
  if (!session || session.closed || session.destroyed) session = open2();
  const stream = session.request({ ":method": method, ":path": "/" });
  let status = 0, problem = null;
  stream.on("response", headers => { status = headers[":status"]; });
  stream.on("error", error => { problem = error.code ?? error.message; });
  stream.on("close", () => note("h2", problem ?? (status === 200 ? null : status || "no response")));
  stream.resume();
  stream.end(method === "POST" ? "x".repeat(32) : undefined);
}

function talk() {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  let wasOpen = false, timer;
  socket.on("open", () => {
    wasOpen = true;
    seen.sockets.opened += 1;
    timer = setInterval(() => socket.send("hello"), 1000);
  });
  socket.on("error", () => {});
  socket.on("close", code => {
    clearInterval(timer);
    if (over) return;
    if (!wasOpen) seen.sockets.refused += 1;
    else {
      seen.sockets.closed += 1;
      if (code !== 1001) {
        seen.sockets.without1001 += 1;
        const kind = `WebSocket ${code}`;
        seen.kinds[kind] = (seen.kinds[kind] ?? 0) + 1;
      }
    }
    setTimeout(talk, 20);
  });
}

const methods = ["GET", "POST"];
let number = 0;
const began = performance.now();
const load = setInterval(() => {
  while (number * BETWEEN < performance.now() - began) {
    number += 1;
    ask1(methods[number % 2]);
    ask2(methods[number % 2]);
  }
}, 5);
for (let at = 0; at < 10; at += 1) talk();

process.on("SIGTERM", () => {
  clearInterval(load);
  // What is under way has ended by then, or is late.
  setTimeout(() => {
    over = true;
    console.log(JSON.stringify(seen));
    process.exit(0);
  }, 1000);
});
