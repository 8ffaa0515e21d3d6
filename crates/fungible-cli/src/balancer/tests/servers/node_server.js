// Notes each request on standard output: when its head is there, and when its body has ended.
const http = require("node:http");
const server = http.createServer((request, response) => {
  const id = request.headers["x-request-id"] ?? "-";
  console.log(["begin", id, request.method, request.url].join("\t"));
  const body = [];
  request.on("data", (chunk) => body.push(chunk));
  request.on("end", () => {
    console.log(["end", id, request.method, request.url, Buffer.concat(body).toString("hex")].join("\t"));
    response.end(id);
  });
});
// What Node cannot read. A connection that merely ended too early is none of it.
server.on("clientError", (error, socket) => {
  if (error.code?.startsWith("HPE_") && error.code !== "HPE_INVALID_EOF_STATE") {
    console.log(["unreadable", error.code].join("\t"));
  }
  socket.destroy();
});
server.keepAliveTimeout = 75000;
server.listen(0, "127.0.0.1", () => console.log(["port", server.address().port].join("\t")));
