// Two people with new names each time register and are found. FUNGIBLE_SEED makes the names of a former run again.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
let seed = Number(process.env.FUNGIBLE_SEED ?? Math.floor(Math.random() * 2 ** 31));
console.log(`FUNGIBLE_SEED=${seed}`);
const random = (n) => (seed = (seed * 48271 + 11) % 2147483647) % n;
const word = () => Array.from({ length: 7 }, () => "abdefgiklmnoprstu"[random(17)]).join("");
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const call = async (path, form) => {
  const answer = await fetch(base + path, { redirect: "manual", ...(form && { method: "POST", body: new URLSearchParams(form) }) });
  return { status: answer.status, place: answer.headers.get("location"), text: await answer.text() };
};

assert.equal((await call("/people", { name: "&" })).status, 422, "a name without a letter");
for (const town of ["Turku", "Ålesund"]) {
  const [first, last] = [capital(word()), capital(word())];
  const name = `${first} O'${last} & Sons`;
  const made = await call("/people", { name, town });
  assert.equal(made.status, 303, "registering");
  assert.equal(made.place, `/people/${first}-o-${last}-sons`.toLowerCase(), "it leads to the profile");
  const page = await call(made.place);
  assert.match(page.text, new RegExp(`<h1>${first} O&#x27;${last} &amp; Sons</h1>.*>${town}</p>`), "the profile is there");
  const found = await call(`/search?q=${encodeURIComponent(`${first} o'`)}`);
  assert.match(found.text, new RegExp(`<li><a href="/people/[^"]+">${first} O&#x27;${last} &amp; Sons</a></li>`), "the search finds it");
  assert.equal((await call("/people", { name, town: "elsewhere" })).status, 409, "the name is taken");
}
