// Teaches two words, has them translated, and then with one that is not known.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
for (const [word, meaning] of [["sukka", "sock"], ["muki", "mug"]]) {
  assert.equal((await fetch(`${base}/${word}`, { method: "PUT", body: meaning })).status, 204);
}
const translate = async (words) => {
  const answer = await fetch(`${base}/translate?words=${words.join("+")}`);
  assert.equal(answer.status, 200);
  return answer.text();
};
assert.equal(await translate(["sukka", "muki"]), "sukka: sock\nmuki: mug\n");
await assert.rejects(translate(["muki", "tuntematon", "sukka"]), "the answer breaks off at the word that is not known");
assert.equal(await translate(["muki"]), "muki: mug\n", "and all is well afterwards");
