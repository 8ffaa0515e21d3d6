// The server of tus as its README shows it.
const { Server } = require("@tus/server");
const { FileStore } = require("@tus/file-store");

const server = new Server({ path: "/files", datastore: new FileStore({ directory: "data" }), relativeLocation: true });
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
process.on("SIGTERM", () => process.exit(0));
