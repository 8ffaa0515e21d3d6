// Looks again until nothing more is to come, and shows what is new. Without this script there is a link.
const $ = (selector, within = document) => within.querySelector(selector);

async function look() {
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(10_000) });
    // The session has ended: the page itself leads to the login.
    if (answer.redirected) return location.reload();
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // No answer: the next one comes from another instance.
  }
  if ($("#waits")) setTimeout(look, 1000);
}

function show(page) {
  // What has not changed is not said again.
  if ($("#state").textContent !== $("#state", page).textContent) $("#state").replaceWith($("#state", page));
  $("#more").replaceChildren(...$("#more", page).childNodes);
  $("#served-by").textContent = $("#served-by", page).textContent;
}

setTimeout(look, 1000);
