// The audit trail, newest first, and the story of one record as a timeline. The story's address is in the hash.

import { byId, el, link, sync } from "./dom.js";
import { initials, moment, person, seconds, span } from "./format.js";
import { behind, byPeople, happened, listed, sentence, since, title, told } from "./trail.js";

let entries = [];
let more = false;
let cameFrom = "";

const record = (entry) => ({ connection: entry.connection, module: entry.module, id: entry.record_id });
const address = (one) => `#story/${[one.connection, one.module, one.id].map(encodeURIComponent).join("/")}`;
const same = (entry, one) =>
  entry.connection === one.connection && entry.module === one.module && entry.record_id === one.id;

/** Shows `{entries, more}`. */
export function showAudit(data) {
  ({ entries, more } = data);
  draw();
  document.querySelectorAll("[data-story]").forEach(light);
}

/** A button that goes to the story behind a Teams message or a monday item; dead while the trail has none. */
export function storyButton(externalId, props, ...children) {
  const open = () => {
    const entry = behind(entries, externalId);
    if (entry) location.hash = address(record(entry));
  };
  const button = el("button", { type: "button", "data-story": externalId, ...props, onclick: open }, ...children);
  light(button);
  return button;
}

function light(button) {
  button.disabled = !behind(entries, button.dataset.story);
}

addEventListener("hashchange", () => {
  const one = wanted();
  draw();
  if (one) {
    cameFrom = address(one);
    byId("story").scrollTop = 0;
    byId("audit").scrollIntoView({ block: "nearest" });
    byId("story").querySelector("h3")?.focus({ preventScroll: true });
  } else if (cameFrom) {
    byId("trail").querySelector(`a[href="${CSS.escape(cameFrom)}"]`)?.focus();
    cameFrom = "";
  }
});

function wanted() {
  const [kind, ...parts] = location.hash.slice(1).split("/");
  if (kind !== "story" || parts.length !== 3) return null;
  const [connection, module, id] = parts.map(decodeURIComponent);
  return { connection, module, id };
}

function draw() {
  const one = wanted();
  byId("trail").hidden = Boolean(one);
  byId("story").hidden = !one;
  const shown = entries.filter((entry) => entry.outcome !== "refused").length;
  byId("audit-count").textContent = shown ? `${more ? `the newest ${shown}` : shown} ${shown === 1 ? "entry" : "entries"}` : "";
  if (one) drawStory(one);
  drawTrail();
}

// Two refused calls may have come in one millisecond: their places from the beginning tell them apart.
const identity = (entry, place, of = entries) => `${entry.at}/${entry.delivery ?? of.length - place}/${entry.outcome}/${entry.attempt}`;

function drawTrail() {
  const rows = listed(entries);
  const items = rows.length ? rows.map((entry, place) => ({ key: identity(entry, place, rows), entry })) : [{ key: "none" }];
  sync(byId("trail"), items, (one) => one.key, ({ entry }) => (entry ? draws(entry) : empty()));
}

function empty() {
  return el("div", { class: "empty" }, el("strong", {}, "Nothing has happened yet."),
    el("p", {}, "Every attempt at every delivery is written down here."));
}

const draws = (entry) => (entry.outcome === "refused" ? turnedAway(entry) : line(entry));

/** A call that ingest refused: there is no record, so there is no story. */
function turnedAway(entry) {
  const why = entry.detail && entry.detail !== entry.reason ? `${entry.reason}: ${entry.detail}` : entry.reason;
  return el("div", { class: "entry refused" },
    el("time", { datetime: entry.at, title: moment(entry.at) }, seconds(entry.at)),
    mark("refused"),
    el("span", { class: "what" }, "A call was refused at the door"),
    el("span", { class: "aside" }, "no entry in the trail: it changed nothing"),
    el("span", { class: "why" }, why));
}

const mark = (outcome) => el("span", { class: `outcome ${outcome}` }, outcome);

function line(entry) {
  const others = entry.waits > 1 ? ` and ${entry.waits - 1} more` : "";
  const tells = entry.tells && `${entry.tells} told in the digest`;
  const why = [entry.by && !byPeople(entry) && `by ${person(entry.by)}`, tells, entry.reason].filter(Boolean).join(" · ");
  return el("a", { class: "entry", href: address(record(entry)) },
    el("time", { datetime: entry.at, title: moment(entry.at) }, seconds(entry.at)),
    mark(entry.outcome),
    el("span", { class: "what" }, el("strong", {}, title(entry)), ` ${happened(entry)}${others}`),
    el("span", { class: "where" }, entry.destination),
    why ? el("span", { class: "why" }, why) : null);
}

function drawStory(one) {
  const steps = entries.filter((entry) => same(entry, one)).reverse();
  const last = steps.at(-1);
  const head = { key: "head", title: last ? title({ ...last, number: steps.findLast((step) => step.number)?.number }) : "", ...one };
  const parts = [head, ...steps.map((entry, place) => ({ key: identity(entry, place), entry, began: place ? steps[0].at : "" }))];
  const records = told(entries, steps);
  if (records.length) parts.push({ key: "told", records: records.map((entry) => [address(record(entry)), title(entry), entry.event]) });
  sync(byId("story"), parts, (part) => part.key, (part) =>
    part.entry ? step(part.entry, part.began) : part.records ? toldOf(part.records) : heading(part));
}

function heading(part) {
  const id = part.module === "digest" ? part.id : `Zoho id ${part.id}`;
  return el("div", { class: "story-head" },
    el("a", { class: "back", href: "#audit-list" }, "← All entries"),
    el("h3", { tabindex: "-1" }, part.title || "This record has no entries (any more)."),
    part.title ? el("p", {}, `${id} · connection ${part.connection}`) : null);
}

/** Of a digest: what it told, each with its own story. */
function toldOf(records) {
  return el("section", { class: "told" },
    el("h4", {}, `It told of ${records.length}`),
    el("ul", {}, records.map(([href, name, event]) => el("li", {}, el("a", { href }, name), ` ${event}`))));
}

function step(entry, began) {
  const did = since(entry);
  const glance = [
    entry.event,
    entry.attempt > 1 ? `attempt ${entry.attempt}` : "",
    entry.duration_ms ? span(entry.duration_ms) : "",
    entry.status ? `answered ${entry.status}` : "",
    entry.origin === "webhook" ? "" : byPeople(entry) ? `told by ${entry.origin}` : `by ${entry.origin}`,
  ];
  const ids = [
    [{ acknowledged: "Reply", changed: "Item" }[entry.outcome] ?? "Receipt", entry.external_id],
    ["By", entry.by],
    ["Version", entry.version],
    ["Request", entry.request_id],
    ["Correlation", entry.correlation_id],
    ["Delivery", entry.delivery],
  ];
  return el("article", { class: `step ${entry.outcome}` },
    el("header", {},
      byPeople(entry) ? el("span", { class: "avatar person", "aria-hidden": "true" }, initials(person(entry.by ?? ""))) : null,
      el("strong", {}, sentence(entry)),
      mark(entry.outcome),
      el("time", { datetime: entry.at, title: moment(entry.at) }, seconds(entry.at), began ? ` · +${span(new Date(entry.at) - new Date(began))}` : "")),
    entry.by && !byPeople(entry) ? el("p", { class: "why" }, `by ${person(entry.by)}`) : null,
    entry.reason ? el("p", { class: "why" }, entry.reason) : null,
    did ? el("p", { class: "why" }, `on ${did}`) : null,
    el("p", { class: "glance" }, glance.filter(Boolean).join(" · ")),
    el("details", {}, el("summary", {}, "Ids"),
      el("dl", {}, ids.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))))),
    entry.link ? link(entry.link, entry.outcome === "acknowledged" ? "Open the reply" : "Open where it was delivered") : null);
}
