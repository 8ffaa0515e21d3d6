// A guest puts tea and a cup into the cart and looks at it.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
let cookie = "";
async function call(method, path, body) {
  const answer = await fetch(base + path, {
    method,
    headers: { ...(cookie && { cookie }), ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  for (const line of answer.headers.getSetCookie()) cookie = line.split(";")[0];
  return { status: answer.status, body: await answer.json() };
}

assert.equal((await call("GET", "/products")).body.tea, 450);
assert.equal((await call("POST", "/cart/items", { product: "tea", count: 2 })).status, 201);
let cart = await call("GET", "/cart");
assert.deepEqual(cart.body, { items: { tea: 2 }, total: 900 }, "the tea is in the cart");
assert.equal((await call("POST", "/cart/items", { product: "yacht" })).status, 422);
await call("POST", "/cart/items", { product: "cup" });
cart = await call("GET", "/cart");
assert.deepEqual(cart.body, { items: { tea: 2, cup: 1 }, total: 2100 }, "tea and cup are in the cart");
