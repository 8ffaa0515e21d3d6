// A small shop on express. Its sessions are where express-session puts them by itself: in the memory of the process.
// With --files they are files below ./sessions, which all instances can share.
const express = require("express");
const session = require("express-session");

const app = express();
const store = process.argv.includes("--files") ? files() : undefined;
app.use(session({ store, secret: "of all instances: 5b1e", resave: false, saveUninitialized: false }));
app.use(express.urlencoded({ extended: false }));

app.get("/", (request, response) => response.send("<h1>Socks</h1>"));
app.post("/login", (request, response) => {
  request.session.name = request.body.name;
  request.session.cart = [];
  response.redirect(303, "/cart");
});
app.use((request, response, next) => (request.session.name ? next() : response.status(401).send("Please log in.")));
app.get("/cart", (request, response) => response.json({ of: request.session.name, items: request.session.cart }));
app.post("/cart", (request, response) => {
  request.session.cart.push(request.body.item);
  response.status(201).json({ items: request.session.cart });
});

app.listen(process.env.PORT ?? 3000, "127.0.0.1");

function files() {
  const FileStore = require("session-file-store")(session);
  return new FileStore({ path: "./sessions", logFn: () => {} });
}
