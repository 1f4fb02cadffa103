// How it goes: counts, queue, retries, limits, alarms, and the switches that cause trouble.

import { copier, doer } from "./act.js";
import { byId, el, sync } from "./dom.js";
import { clockSeconds } from "./format.js";

const COUNTS = [
  ["accepted", "Webhooks", "calls from Zoho Books that the queue has taken"],
  ["delivered", "Delivered", "deliveries that arrived: as a card, an item or a note, or told in a digest"],
  ["gathered", "Gathered now", "deliveries that still wait to be told together, in a digest"],
  ["skipped", "Skipped", "repeated or late: already there, or something newer is"],
  ["refused", "Refused", "forged or broken calls, turned away at the door"],
];
const VENDORS = { zoho: "Zoho Books", teams: "Teams", monday: "monday.com", graph: "Microsoft Graph", workflows: "Workflows" };

let connection = "";
export const setConnection = (name) => (connection = name);

/** Shows `{counts, retries, parked, limits, refused, switches, alarms}`. */
export function showOperations({ counts, retries, parked, limits, refused, switches, alarms }) {
  showCounts(counts);
  showQueue(counts, retries);
  byId("now").textContent = now(counts.parked ? parked : "", retries, limits, refused);
  byId("now").title = byId("now").textContent;
  for (const pane of ["zoho", "teams", "monday"]) {
    sync(byId(`switches-${pane}`), switches.filter((one) => one.pane === pane), (one) => one.name, toggle);
  }
  showAlarms(alarms);
}

function showCounts(counts) {
  const items = COUNTS.map(([name, label, about]) => ({ name, label, about, value: counts[name] }));
  sync(byId("counts"), items, (one) => one.name, ({ name, label, about, value }) =>
    el("div", { class: `figure ${name} ${value ? "some" : "zero"}`, title: about }, el("dt", {}, label), el("dd", {}, String(value))));
}

function showQueue({ waiting, parked }, retries) {
  const again = retries.reduce((sum, one) => sum + one.many, 0);
  const chips = [
    { name: "waiting", many: waiting, text: "in the queue", about: "deliveries that are queued, under way or put off" },
    { name: "retrying", many: again, text: "to be tried again", about: "deliveries whose last attempt failed" },
    { name: "parked", many: parked, text: "parked", about: "deliveries that wait for a person, each with its reason" },
  ];
  sync(byId("queue"), chips, (one) => one.name, chip);
  sync(byId("repair"), parked ? [{ connection }] : [], () => "repair", repair);
}

const chip = ({ name, many, text, about }) =>
  el("span", { class: `chip ${name} ${many ? "some" : ""}`, title: about, "data-testid": `queue-${name}` }, el("b", {}, String(many)), ` ${text}`);

function repair() {
  const command = `mlc parked list ${connection}`;
  return el("span", {},
    doer("retry", {}, { "data-testid": "do-retry", class: "main", "data-label": "Retry what is parked" }, "Retry"),
    copier(command, `Copied: ${command} says what is parked and why; mlc parked retry ${connection} --all sends it again.`,
      { class: "command", title: "Copy" }, command));
}

/** The one thing worth knowing now, in a sentence. */
function now(parked, retries, limits, refused) {
  const parts = [
    ...(parked ? [`Parked: ${parked}`] : []),
    ...limits.map((one) => `${VENDORS[one.vendor] ?? one.vendor}: ${one.why}, until ${clockSeconds(one.until)}`),
    ...retries.map((one) => `${one.many} for ${one.destination} to be tried again: ${one.reason}`),
  ];
  if (parts.length) return parts.join(" · ");
  const last = refused.at(-1);
  const calm = "No retry open, no limit reached.";
  return last ? `${calm} Last refused call: ${clockSeconds(last.at)}, ${last.reason}.` : calm;
}

function toggle({ name, label, effect, repair, on }) {
  return el("div", { class: `switch ${on ? "on" : ""}` },
    doer("switch", { name, on: !on }, { role: "switch", "aria-checked": String(on), "data-testid": `switch-${name}`,
      "aria-describedby": `switch-${name}-about`, "data-label": label }, el("span", { class: "knob", "aria-hidden": "true" }), label),
    el("p", { id: `switch-${name}-about` }, on ? repair : effect));
}

function showAlarms(alarms) {
  const ringing = alarms.filter((one) => one.state === "alarm");
  const quiet = alarms.filter((one) => one.state === "ok").length;
  const summary = byId("alarms-summary");
  const names = ringing.map((one) => title(one.name)).join(", ");
  const text = ringing.length ? `${ringing.length} ${ringing.length === 1 ? "alarm" : "alarms"}: ${names}` : `Alarms: ${quiet} quiet`;
  if (summary.textContent !== text) summary.textContent = text;
  byId("alarms").classList.toggle("ringing", ringing.length > 0);
  sync(byId("alarm-list"), [...ringing, ...alarms.filter((one) => one.state !== "alarm")], (one) => one.name, alarm);
}

function alarm({ name, about, state, metric, value, comparison, threshold, runbook }) {
  const measured = value === null ? "nothing was measured lately" : `${metric} ${Number(value.toFixed(2))}, alarm if ${comparison} ${threshold}`;
  return el("li", { "data-alarm": name, "data-state": state, class: state.replace(" ", "-") },
    el("strong", {}, title(name)), el("span", { class: "outcome" }, state), el("p", {}, about),
    el("p", { class: "why" }, `${measured} · ${runbook}`));
}

/** `ParkedAlarm` as `Parked`. */
const title = (name) => name.replace(/Alarm$/, "").replace(/([a-z])([A-Z])/g, (_, end, start) => `${end} ${start.toLowerCase()}`);

const list = byId("alarms");
addEventListener("click", (event) => (list.open &&= list.contains(event.target)));
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !list.open) return;
  list.open = false;
  byId("alarms-summary").focus();
});
