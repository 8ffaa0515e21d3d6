// Sends what lies in data/queue, oldest first. The rename is the claim and the sending in one.
import { mkdirSync, readdirSync, renameSync } from "node:fs";

mkdirSync("data/queue", { recursive: true });
mkdirSync("data/sent", { recursive: true });
setInterval(() => {
  const [next] = readdirSync("data/queue").sort();
  if (next) renameSync(`data/queue/${next}`, `data/sent/${next}`);
}, 30);
process.on("SIGTERM", () => process.exit(0));
