// CloudWatch's part for a custom widget: calls the function, shows its HTML without anything that could run, and carries
// out its cwdb-action elements. Rules: docs/widget.md.

const EVERY_MS = 3000;
const FORBIDDEN = "script, iframe, object, embed, link, meta, base, template";

const byId = (id) => document.getElementById(id);
const place = byId("widget");
const dark = matchMedia("(prefers-color-scheme: dark)");
// Only ever parsed into a document of its own, in which nothing runs or loads.
const policy = globalThis.trustedTypes?.createPolicy("widget", { createHTML: (text) => text });

let shown = "";
let calls = 0;
// What is shown was asked with this: `{given, said}`, parameters and the form's fields. So it is asked for again.
let asked = { given: firstParams(), said: {} };
// The fields as they came; what is other than that, somebody has typed.
let filled = {};
// Whether what is shown is the widget's own, and may be asked for again; what a button did may not.
let repeatable = true;

/** `?find=` an id, a number or a link, as the dashboard's own search would; or `?view=parked`. */
function firstParams() {
  const query = new URLSearchParams(location.search);
  if (query.has("find")) return { view: "search", what: query.get("find") };
  return query.has("view") ? { view: query.get("view") } : {};
}

function context(forms) {
  const minutes = -new Date().getTimezoneOffset();
  const pad = (number) => String(Math.floor(number)).padStart(2, "0");
  const offset = `${minutes < 0 ? "-" : "+"}${pad(Math.abs(minutes) / 60)}:${pad(Math.abs(minutes) % 60)}`;
  return {
    theme: dark.matches ? "dark" : "light",
    timezone: { label: minutes ? "Local" : "UTC", offsetISO: offset, offsetInMinutes: minutes },
    forms: { all: forms },
    params: {},
    width: place.clientWidth,
    height: innerHeight,
  };
}

const fields = () => [...place.querySelectorAll("input[name], select[name], textarea[name]")];
const holds = (field) => (field.type === "checkbox" ? "checked" : "value");

/** What all forms of the widget say, by the names of their fields. */
function forms() {
  return Object.fromEntries(fields().map((field) => [field.name, field[holds(field)]]));
}

async function ask(to, given, said) {
  const answer = await fetch("call", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ endpoint: to, params: given, widgetContext: context(said) }),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body;
}

/** The HTML as elements, without what could run. */
function clean(html) {
  const inert = new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
  inert.querySelectorAll(FORBIDDEN).forEach((each) => each.remove());
  for (const element of inert.querySelectorAll("*")) {
    for (const { name, value } of [...element.attributes]) {
      const runs = name.startsWith("on") || /^\s*(javascript|data|vbscript):/i.test(value);
      if (runs || name === "srcdoc") element.removeAttribute(name);
    }
  }
  // A style that stands before everything else is parsed into the head.
  return [...inert.head.children, ...inert.body.childNodes].map((node) => document.adoptNode(node));
}

/** In place of what is there; what somebody has typed since the fields were as in `known` stays typed. */
function show(html, known = filled) {
  if (html === shown) return;
  const typed = Object.entries(forms()).filter(([name, value]) => value !== known[name]);
  shown = html;
  place.replaceChildren(...clean(html));
  filled = forms();
  for (const [name, value] of typed) {
    for (const field of fields()) if (field.name === name) field[holds(field)] = value;
  }
}

async function call(to, given, said, known = said) {
  const mine = ++calls;
  place.classList.add("busy");
  try {
    const answer = await ask(to, given, said);
    if (mine !== calls) return;
    repeatable = answer.repeatable;
    asked = repeatable ? { given, said } : { given: {}, said: {} };
    byId("problem").hidden = true;
    show(answer.html, known);
  } catch (error) {
    if (mine !== calls) return;
    byId("problem").textContent = `The function does not answer: ${error.message}`;
    byId("problem").hidden = false;
  } finally {
    if (mine === calls) place.classList.remove("busy");
  }
}

function confirmed(text) {
  if (!text) return Promise.resolve(true);
  const dialog = byId("confirm");
  byId("confirm-text").textContent = text;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

function popup(html) {
  byId("popup-content").replaceChildren(...clean(html));
  byId("popup").showModal();
}

async function act(action) {
  if (!(await confirmed(action.getAttribute("confirmation")))) return;
  const inPopup = action.getAttribute("display") === "popup";
  if (action.getAttribute("action") !== "call") {
    if (inPopup) popup(action.innerHTML);
    else show(action.innerHTML);
    return;
  }
  const to = action.getAttribute("endpoint");
  const given = JSON.parse(action.textContent.trim() || "{}");
  if (inPopup) popup((await ask(to, given, forms())).html);
  else await call(to, given, forms());
}

/** The action behind the element on which something happened. */
function behind(target, event) {
  for (let element = target; element && element !== place; element = element.parentElement) {
    const next = element.nextElementSibling;
    if (next?.localName === "cwdb-action" && (next.getAttribute("event") ?? "click") === event) return next;
  }
  return null;
}

for (const name of ["click", "dblclick"]) {
  place.addEventListener(name, (event) => {
    const action = behind(event.target, name);
    if (action) act(action);
  });
}
place.addEventListener("mouseenter", (event) => {
  const action = event.target.nextElementSibling;
  if (action?.localName === "cwdb-action" && action.getAttribute("event") === "mouseenter") act(action);
}, true);
place.addEventListener("keydown", (event) => {
  if (event.target.getAttribute("role") !== "button" || ![" ", "Enter"].includes(event.key)) return;
  event.preventDefault();
  event.target.click();
});
// Enter in a field presses the form's main button.
place.addEventListener("submit", (event) => event.preventDefault());
place.addEventListener("keypress", (event) => {
  if (event.key === "Enter" && event.target.form) event.target.form.querySelector(".btn-primary")?.click();
});

/** Whether somebody types, reads, chooses or waits for an answer. */
const inUse = () =>
  document.hidden || place.classList.contains("busy") || document.querySelector("dialog[open]") ||
  place.querySelector("details[open]") || (place.contains(document.activeElement) && document.activeElement.form);

/** As the dashboard's own refreshing, but it stays at what is open, and disturbs nobody who uses it. */
async function refresh() {
  if (inUse() || !repeatable) return;
  const mine = calls;
  try {
    const { html } = await ask("", asked.given, asked.said);
    if (mine !== calls || inUse()) return;
    const focus = place.contains(document.activeElement) ? [...place.querySelectorAll("[tabindex]")].indexOf(document.activeElement) : -1;
    show(html);
    if (focus >= 0) place.querySelectorAll("[tabindex]")[focus]?.focus({ preventScroll: true });
  } catch { /* the next one may do */ }
}

const again = () => call("", asked.given, asked.said, filled);
dark.addEventListener("change", again);
await again();
setInterval(refresh, EVERY_MS);
