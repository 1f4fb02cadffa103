// The audit trail, newest first, and the story of one record as a timeline. The story's address is in the hash.

import { byId, el, link, sync } from "./dom.js";
import { moment, seconds, span, words } from "./format.js";

let entries = [];
let more = false;

const record = (entry) => ({ connection: entry.connection, module: entry.module, id: entry.record_id });
const address = (one) => `#story/${[one.connection, one.module, one.id].map(encodeURIComponent).join("/")}`;
const title = (entry) => `${words(entry.module)} ${entry.number || entry.record_id}`;
const action = (entry) => entry.event.split(".").at(-1);
const same = (entry, one) =>
  entry.connection === one.connection && entry.module === one.module && entry.record_id === one.id;

/** Shows `{entries, more}`. */
export function showAudit(data) {
  ({ entries, more } = data);
  draw();
}

/** Goes to the story behind a Teams message or a monday item. */
export function openStory(externalId) {
  const entry = entries.find((one) => one.external_id && one.external_id === externalId);
  if (entry) location.hash = address(record(entry));
}

let cameFrom = "";

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
const identity = (entry, place) => `${entry.at}/${entry.delivery ?? entries.length - place}/${entry.outcome}/${entry.attempt}`;

function drawTrail() {
  const items = entries.length ? entries.map((entry, place) => ({ key: identity(entry, place), entry })) : [{ key: "none" }];
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
  return el("a", { class: "entry", href: address(record(entry)) },
    el("time", { datetime: entry.at, title: moment(entry.at) }, seconds(entry.at)),
    mark(entry.outcome),
    el("span", { class: "what" }, el("strong", {}, title(entry)), ` ${action(entry)}`),
    el("span", { class: "where" }, entry.destination),
    entry.reason ? el("span", { class: "why" }, entry.reason) : null);
}

function drawStory(one) {
  const steps = entries.filter((entry) => same(entry, one)).reverse();
  const last = steps.at(-1);
  const head = { key: "head", title: last ? title({ ...last, number: steps.findLast((step) => step.number)?.number }) : "", ...one };
  const parts = [head, ...steps.map((entry, place) => ({ key: identity(entry, place), entry, since: place ? steps[0].at : "" }))];
  sync(byId("story"), parts, (part) => part.key, (part) => (part.entry ? step(part.entry, part.since) : heading(part)));
}

function heading(part) {
  return el("div", { class: "story-head" },
    el("a", { class: "back", href: "#audit-list" }, "← All entries"),
    el("h3", { tabindex: "-1" }, part.title || "This record has no entries (any more)."),
    part.title ? el("p", {}, `Zoho id ${part.id} · connection ${part.connection}`) : null);
}

const DONE = { create: "Created in", update: "Updated in" };
const SAID = {
  accepted: "Accepted by",
  skipped: "Nothing to do for",
  retry: "To be tried again:",
  unknown: "Outcome open:",
  parked: "Parked:",
  resent: "Sent again by a person:",
  dropped: "Given up by a person:",
};

function step(entry, since) {
  const said = entry.outcome === "delivered" ? (DONE[entry.operation] ?? "Delivered to") : (SAID[entry.outcome] ?? entry.outcome);
  const glance = [
    entry.event,
    entry.attempt > 1 ? `attempt ${entry.attempt}` : "",
    entry.duration_ms ? span(entry.duration_ms) : "",
    entry.status ? `answered ${entry.status}` : "",
    entry.origin === "webhook" ? "" : `by ${entry.origin}`,
  ];
  const ids = [
    ["Receipt", entry.external_id],
    ["Version", entry.version],
    ["Request", entry.request_id],
    ["Correlation", entry.correlation_id],
    ["Delivery", entry.delivery],
  ];
  return el("article", { class: `step ${entry.outcome}` },
    el("header", {},
      el("strong", {}, `${said} ${entry.destination}`),
      mark(entry.outcome),
      el("time", { datetime: entry.at, title: moment(entry.at) }, seconds(entry.at), since ? ` · +${span(new Date(entry.at) - new Date(since))}` : "")),
    entry.reason ? el("p", { class: "why" }, entry.reason) : null,
    el("p", { class: "glance" }, glance.filter(Boolean).join(" · ")),
    el("details", {}, el("summary", {}, "Ids"),
      el("dl", {}, ids.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))))),
    entry.link ? link(entry.link, "Open where it was delivered") : null);
}
