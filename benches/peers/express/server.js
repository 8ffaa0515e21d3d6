// The to-do list's JSON API as one writes it on express: sessions in Redis, users and tasks in a SQLite file that several
// instances share. scripts/bench-app measures it beside apps/todo.
const argon2 = require("@node-rs/argon2");
const Database = require("better-sqlite3");
const { RedisStore } = require("connect-redis");
const express = require("express");
const session = require("express-session");
const { createClient } = require("redis");

const db = new Database(process.env.DATABASE, { timeout: 10_000 });
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.pragma("foreign_keys = ON");

if (process.argv[2] === "migrate") {
  db.exec(`
    CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, password TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks (
      position INTEGER PRIMARY KEY,
      user_id INTEGER NOT NULL REFERENCES users (id),
      id TEXT NOT NULL,
      title TEXT NOT NULL,
      done INTEGER NOT NULL DEFAULT 0,
      UNIQUE (user_id, id)
    );
    CREATE INDEX IF NOT EXISTS tasks_in_order ON tasks (user_id, position);`);
  process.exit();
}

const sql = {
  addUser: db.prepare("INSERT INTO users (name, password) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING id"),
  findUser: db.prepare("SELECT id, password FROM users WHERE name = ?"),
  list: db.prepare("SELECT id, title, done FROM tasks WHERE user_id = ? ORDER BY position"),
  add: db.prepare("INSERT INTO tasks (user_id, id, title) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"),
  find: db.prepare("SELECT id, title, done FROM tasks WHERE user_id = ? AND id = ?"),
  change: db.prepare(`UPDATE tasks SET title = COALESCE(?, title), done = COALESCE(?, done)
                      WHERE user_id = ? AND id = ? RETURNING id, title, done`),
  remove: db.prepare("DELETE FROM tasks WHERE user_id = ? AND id = ?"),
};

// As costly as in apps/todo: 19 MiB, 2 passes.
const cost = { algorithm: argon2.Algorithm.Argon2id, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const shown = (row) => ({ id: row.id, title: row.title, done: row.done === 1 });

function good(title) {
  const trimmed = typeof title === "string" ? title.trim() : "";
  return trimmed.length > 0 && trimmed.length <= 500 ? trimmed : null;
}

function needsUser(request, response, next) {
  if (request.session.user) return next();
  response.status(401).json({ error: "You are not logged in. Log in first." });
}

function needsId(request, response, next) {
  if (UUID.test(request.params.id)) return next();
  response.status(400).json({ error: "An id here is a UUID." });
}

// A new session id at each login, so that nobody can choose it beforehand.
function logIn(request, user) {
  return new Promise((done, failed) =>
    request.session.regenerate((error) => {
      if (error) return failed(error);
      request.session.user = user;
      done();
    }),
  );
}

async function main() {
  const redis = createClient({ url: process.env.REDIS_URL });
  await redis.connect();
  const app = express();
  app.disable("x-powered-by");
  app.use(
    session({
      store: new RedisStore({ client: redis }),
      secret: process.env.SESSION_SECRET,
      resave: false,
      saveUninitialized: false,
      cookie: { httpOnly: true, sameSite: "lax", maxAge: 24 * 60 * 60 * 1000 },
    }),
  );
  app.use(express.json());

  app.post("/api/register", async (request, response) => {
    const { name, password } = request.body ?? {};
    if (typeof name !== "string" || typeof password !== "string" || name.length < 1 || password.length < 8)
      return response.status(422).json({ error: "Name or password is too short." });
    const user = sql.addUser.get(name, await argon2.hash(password, cost));
    if (!user) return response.status(409).json({ error: "This name is taken." });
    await logIn(request, user.id);
    response.status(201).json({ id: user.id, name });
  });

  app.post("/api/login", async (request, response) => {
    const { name, password } = request.body ?? {};
    const user = typeof name === "string" && typeof password === "string" ? sql.findUser.get(name) : undefined;
    if (!user || !(await argon2.verify(user.password, password)))
      return response.status(401).json({ error: "Name or password is wrong." });
    await logIn(request, user.id);
    response.json({ id: user.id, name });
  });

  app.get("/api/tasks", needsUser, (request, response) => {
    response.json({ tasks: sql.list.all(request.session.user).map(shown) });
  });

  app.put("/api/tasks/:id", needsUser, needsId, (request, response) => {
    const [user, id, title] = [request.session.user, request.params.id, good(request.body?.title)];
    if (!title) return response.status(422).json({ error: "A title has 1 to 500 characters." });
    const added = sql.add.run(user, id, title).changes === 1;
    if (added) return response.status(201).json({ id, title, done: false });
    response.json(shown(sql.find.get(user, id)));
  });

  app.patch("/api/tasks/:id", needsUser, needsId, (request, response) => {
    const { title, done } = request.body ?? {};
    if ((title !== undefined && !good(title)) || (done !== undefined && typeof done !== "boolean"))
      return response.status(422).json({ error: "Say what to change: title, done or both." });
    const tick = done === undefined ? null : Number(done);
    const changed = sql.change.get(good(title), tick, request.session.user, request.params.id);
    if (!changed) return response.status(404).json({ error: "There is no such task." });
    response.json(shown(changed));
  });

  app.delete("/api/tasks/:id", needsUser, needsId, (request, response) => {
    sql.remove.run(request.session.user, request.params.id);
    response.status(204).end();
  });

  const server = app.listen(process.env.PORT, "127.0.0.1");
  process.on("SIGTERM", () => server.close(() => process.exit()));
}

main();
