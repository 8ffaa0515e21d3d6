// Makes the task list work without reloading. The page works without this script too.
//
// Each change goes into the outbox first and leaves it when an instance has acknowledged it. A change that got no
// answer is sent again, to whichever instance is there: every change may arrive twice, so nothing is done twice.

const $ = (selector, within = document) => within.querySelector(selector);
const list = $("#tasks");
const add = $("#add");
const outboxKey = `outbox of ${$("#user").dataset.id}`;
const outbox = JSON.parse(sessionStorage.getItem(outboxKey) ?? "[]");
let sending = false;

// A change is { method, id, body }, as the API takes it.
function change(method, id, body) {
  show({ method, id, body });
  outbox.push({ method, id, body });
  keep();
  send();
}

function keep() {
  sessionStorage.setItem(outboxKey, JSON.stringify(outbox));
}

async function send() {
  if (sending) return;
  sending = true;
  for (let pause = 250; outbox.length > 0; ) {
    const answer = await request(outbox[0].method, outbox[0].id, outbox[0].body);
    if (answer === undefined || answer.status >= 500 || [408, 429].includes(answer.status)) {
      say(answer?.json.error ?? "No answer. Sending it again …");
      await new Promise((wake) => setTimeout(wake, pause));
      pause = Math.min(2 * pause, 5000);
    } else if (answer.status === 401) {
      // The outbox is kept, and sent after the login.
      location.assign("/login?notice=again");
      return;
    } else {
      pause = 250;
      const done = outbox.shift();
      keep();
      if (answer.ok) acknowledge(done);
      else await refused(done, answer);
    }
  }
  sending = false;
}

// The answer with its JSON in `.json`, or undefined when there was none.
async function request(method, id, body) {
  try {
    const answer = await fetch(id === undefined ? "/api/tasks" : `/api/tasks/${id}`, {
      method,
      headers: body === undefined ? {} : { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      keepalive: true,
      signal: AbortSignal.timeout(10_000),
    });
    answeredBy(answer.headers.get("x-served-by"));
    const text = await answer.text();
    return { status: answer.status, ok: answer.ok, json: text.startsWith("{") ? JSON.parse(text) : {} };
  } catch {
    return undefined;
  }
}

function acknowledge({ method, id, body }) {
  const row = rowOf(id);
  if (row && !outbox.some((waiting) => waiting.id === id)) delete row.dataset.pending;
  if (method === "PUT") say(`Added “${body.title}”.`);
  else if (method === "DELETE") say("Deleted.");
  else if (body.title !== undefined) say(`Renamed to “${body.title}”.`);
  else say(body.done ? "Ticked." : "No longer ticked.");
}

// Says why, shows what the store holds, and gives the typed title back.
async function refused({ method, id, body }, answer) {
  say(answer.json.error ?? `The change was refused (${answer.status}).`, true);
  const now = await request("GET");
  if (now?.ok) list.replaceChildren(...now.json.tasks.map(row));
  outbox.forEach(show);
  const shown = rowOf(id);
  if (method === "PUT" && titleOf(add).value === "") titleOf(add).value = body.title;
  if (method === "PATCH" && body.title !== undefined && shown) {
    $("details", shown).open = true;
    titleOf($(".rename", shown)).value = body.title;
  }
}

// Shows a change before it is acknowledged.
function show({ method, id, body }) {
  let shown = rowOf(id);
  if (method === "DELETE") return shown?.remove();
  if (method === "PUT" && !shown) list.append((shown = row({ id, title: body.title, done: false })));
  if (method === "PATCH" && shown) fill(shown, body);
  if (shown) shown.dataset.pending = "";
}

function titleOf(form) {
  return form.elements.title;
}

function rowOf(id) {
  return $(`[data-id="${CSS.escape(id)}"]`, list);
}

function row(task) {
  const made = $("#task").content.firstElementChild.cloneNode(true);
  made.dataset.id = task.id;
  for (const form of made.querySelectorAll("form")) form.action = form.getAttribute("action").replace("//", `/${task.id}/`);
  fill(made, task);
  return made;
}

function fill(row, { title, done }) {
  const tick = $(".tick", row);
  if (done !== undefined) {
    row.classList.toggle("done", done);
    tick.setAttribute("aria-pressed", done);
    $(".mark", row).elements.done.value = !done;
  }
  if (title !== undefined) {
    $(".title", row).textContent = title;
    titleOf($(".rename", row)).value = title;
    tick.setAttribute("aria-label", `Done: ${title}`);
    $(".delete button", row).setAttribute("aria-label", `Delete: ${title}`);
  }
}

function say(sentence, wrong = false) {
  $("#status").textContent = wrong ? "" : sentence;
  $("#error").textContent = wrong ? sentence : "";
}

function answeredBy(instance) {
  if (!instance) return;
  const small = $("#served-by");
  small.textContent = instance;
  small.classList.remove("changed");
  requestAnimationFrame(() => small.classList.add("changed"));
}

// `randomUUID` is missing where a page comes by plain http from another machine.
function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  const shown = form.closest("[data-id]");
  if (form === add) {
    const title = titleOf(add).value.trim();
    if (title !== "") change("PUT", newId(), { title });
    titleOf(add).value = "";
    titleOf(add).focus();
  } else if (form.matches(".mark")) {
    change("PATCH", shown.dataset.id, { done: form.elements.done.value === "true" });
  } else if (form.matches(".rename")) {
    const title = titleOf(form).value.trim();
    if (title !== "") change("PATCH", shown.dataset.id, { title });
    $("details", shown).open = false;
    $("summary", shown).focus();
  } else if (form.matches(".delete")) {
    const next = shown.nextElementSibling ?? shown.previousElementSibling;
    change("DELETE", shown.dataset.id);
    (next ? $(".delete button", next) : titleOf(add)).focus();
  } else {
    return;
  }
  event.preventDefault();
});

// A page that comes back out of the browser's memory may be old.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

// The message after a redirect is said once, not again at each reload.
history.replaceState(null, "", "/");
outbox.forEach(show);
send();
