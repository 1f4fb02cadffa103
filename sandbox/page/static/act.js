// What people do: every button, switch and select with `data-do` is one POST. One thing at a time; what came of it is said.

import { byId, el } from "./dom.js";

let busy = false;

/** A control that does `name` with `given`; `props` as in `el`. */
export function doer(name, given, props, ...children) {
  return el("button", { type: "button", "data-do": name, "data-given": JSON.stringify(given),
    "aria-disabled": busy ? "true" : null, ...props }, ...children);
}

/** Says it where screen readers hear it, and everybody sees it. */
export function say(text, kind = "") {
  const place = byId("said");
  place.className = `said on ${kind}`;
  place.textContent = text;
  clearTimeout(place.timer);
  if (kind !== "busy") place.timer = setTimeout(() => (place.className = `said ${kind}`), 9000);
}

/** Does it and says what came of it; false if it could not be done. */
export async function act(name, given, label) {
  if (busy) return false;
  wait(true);
  say(`${label} …`, "busy");
  try {
    const answer = await fetch(`api/do/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Sandbox": "page" },
      body: JSON.stringify(given),
      signal: AbortSignal.timeout(120_000),
    });
    const { said, error } = await answer.json();
    say(said ?? error, said ? "good" : "bad");
    return answer.ok;
  } catch {
    say("The sandbox does not answer. Is make demo still running?", "bad");
    return false;
  } finally {
    wait(false);
    dispatchEvent(new Event("acted"));
  }
}

/** Not `disabled`: a button that is pressed keeps the focus. */
function wait(now) {
  busy = now;
  document.body.classList.toggle("busy", now);
  for (const one of document.querySelectorAll("[data-do]")) {
    if (now) one.setAttribute("aria-disabled", "true");
    else one.removeAttribute("aria-disabled");
  }
}

addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-do]");
  if (button) act(button.dataset.do, JSON.parse(button.dataset.given), button.dataset.label ?? button.textContent.trim());
});

/** A button that copies `text` and says `told`. */
export function copier(text, told, props, ...children) {
  return el("button", { type: "button", onclick: () => copy(text, told), ...props }, ...children);
}

export async function copy(text, told) {
  try {
    await navigator.clipboard.writeText(text);
    say(told, "good");
  } catch {
    say(`This browser does not let the page copy: ${text}`, "bad");
  }
}
