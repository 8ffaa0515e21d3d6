// express with sessions: express-session as it comes (MemoryStore); mended, cookie-session. The key is the same on all instances.
const { parseArgs } = require("node:util");
const cookieSession = require("cookie-session");
const express = require("express");
const expressSession = require("express-session");

const { values: options } = parseArgs({ options: { port: { type: "string" }, mended: { type: "boolean" } } });
const key = "of all instances: 2a61";

const app = express();
app.use(express.urlencoded({ extended: false }));
app.use(
  options.mended
    ? cookieSession({ name: "session", keys: [key], maxAge: 3600_000 })
    : expressSession({ secret: key, resave: false, saveUninitialized: false }),
);

app.get("/", (request, response) => response.json({ visits: request.session.visits ?? 0 }));
app.post("/login", (request, response) => {
  if (!request.body.name) return response.status(422).json({ error: "a name is needed" });
  request.session.name = request.body.name;
  request.session.visits = 0;
  response.redirect(303, "/account");
});
app.get("/account", (request, response) => {
  if (!request.session.name) return response.status(401).json({ error: "please log in" });
  request.session.visits += 1;
  response.json({ name: request.session.name, visits: request.session.visits });
});
app.post("/logout", (request, response) => {
  if (options.mended) request.session = null;
  else return request.session.destroy(() => response.clearCookie("connect.sid").json({ bye: true }));
  response.json({ bye: true });
});

app.listen(Number(options.port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
