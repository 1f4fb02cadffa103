// Asks for news once a second and hands it to the parts of the page. An unchanged answer costs no drawing.

import { showAudit } from "./audit.js";
import { showBoard } from "./board.js";
import { byId, el, sync } from "./dom.js";
import { showChannels } from "./teams.js";

const COUNTS = [
  ["accepted", "Accepted", "webhooks from Zoho Books that the queue has taken"],
  ["delivered", "Delivered", "deliveries that arrived: as a card, an item or a note, or told in a digest"],
  ["waiting", "Waiting", "deliveries in the queue, under way or put off"],
  ["gathered", "Gathered now", "deliveries that still wait to be told together, in a digest"],
  ["parked", "Parked", "kept for a person, with the reason"],
  ["skipped", "Skipped", "repeated or late: already there, or something newer is"],
  ["refused", "Refused", "forged or broken calls, turned away at the door"],
];

function showSummary(summary) {
  const items = COUNTS.filter(([name]) => name in summary).map(([name, label, about]) => ({ name, label, about, value: summary[name] }));
  sync(byId("counts"), items, (one) => one.name, ({ name, label, about, value }) =>
    el("div", { class: `figure ${name} ${value ? "some" : "zero"}`, title: about }, el("dt", {}, label), el("dd", {}, String(value))));
}

const parts = [
  { path: "api/summary", show: showSummary },
  { path: "api/audit", show: showAudit },
  { path: "api/channel", show: showChannels },
  { path: "api/board", show: showBoard },
];

async function refresh(part) {
  const headers = part.tag ? { "If-None-Match": part.tag } : {};
  const answer = await fetch(part.path, { headers, cache: "no-store", signal: AbortSignal.timeout(10_000) });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(`${part.path}: ${answer.status}`);
  part.show(await answer.json());
  part.tag = answer.headers.get("ETag"); // after showing: what could not be shown is asked for again
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function say(state, text) {
  const live = byId("live");
  if (live.textContent === text) return; // or a screen reader would say it every second
  live.className = `live ${state}`;
  live.textContent = text;
}

async function watch() {
  for (;;) {
    if (!document.hidden) {
      const results = await Promise.allSettled(parts.map(refresh));
      const failed = results.filter((one) => one.status === "rejected");
      if (failed.length) console.warn(...failed.map((one) => one.reason));
      if (!failed.length) say("on", "live");
      else say("off", failed.length === parts.length ? "The sandbox is not running; waiting for it" : "Part of the sandbox does not answer; asking again");
    }
    await pause(1000);
  }
}

watch();
