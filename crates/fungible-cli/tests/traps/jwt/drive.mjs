// A token for a password, a new one for a refresh token; what each may and may not.
import assert from "node:assert/strict";

const base = process.env.BASE_URL;
const token = async (form) => {
  const answer = await fetch(`${base}/token`, { method: "POST", body: new URLSearchParams(form) });
  return { status: answer.status, ...(await answer.json()) };
};
const get = async (path, access) => {
  const answer = await fetch(base + path, { headers: access ? { authorization: `Bearer ${access}` } : {} });
  return { status: answer.status, body: await answer.json() };
};

assert.equal((await get("/me")).status, 401, "without a token");
assert.equal((await token({ grant_type: "password", username: "ali", password: "guess" })).status, 400, "a wrong password");
const ali = await token({ grant_type: "password", username: "ali", password: "open sesame" });
assert.equal((await get("/me", ali.access_token)).body.name, "ali");
assert.equal((await get("/admin", ali.access_token)).status, 403, "not an admin");
assert.equal((await get("/me", ali.refresh_token)).status, 401, "a refresh token opens no door");
const again = await token({ grant_type: "refresh_token", refresh_token: ali.refresh_token });
assert.equal((await get("/me", again.access_token)).body.role, "user", "the new token is good");
const root = await token({ grant_type: "password", username: "root", password: "open sesame" });
assert.deepEqual((await get("/admin", root.access_token)).body, { secrets: 3 });
assert.equal((await token({ grant_type: "refresh_token", refresh_token: root.access_token })).status, 400, "an access token is no refresh token");
