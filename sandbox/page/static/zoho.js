// Zoho Books: its newest records, what a bookkeeper can do with each, and the notes that came back.

import { doer } from "./act.js";
import { byId, el, sync } from "./dom.js";
import { number } from "./format.js";

const WORDS = { change: "Change", pay: "Pay", void: "Void" };

/** Shows `{many, records}`. */
export function showBooks({ many, records }) {
  byId("books-count").textContent = many > records.length ? `the newest ${records.length} of ${many}` : `${many} ${many === 1 ? "record" : "records"}`;
  const target = records.find((one) => one.module === "bill" || one.module === "invoice") ?? records[0];
  byId("forge").dataset.given = JSON.stringify({ module: target?.module ?? "", record: target?.id ?? "" });
  const rows = records.length ? records : [{ id: "none" }];
  sync(byId("books"), rows, (one) => `${one.module}/${one.id}`, (one) => (one.module ? record(one) : empty()));
}

function empty() {
  return el("div", { class: "empty" }, el("strong", {}, "No record yet."), el("p", {}, "“New invoice” makes one."));
}

function record({ module, id, label, number: name, party, amount, currency, status, notes, can }) {
  // INV-000412 says what it is; 203 does not.
  const title = /^\d*$/.test(name) ? `${label.split(" ")[0]} ${name}` : name;
  return el("article", { class: "record", "data-testid": "record", "data-module": module, "data-id": id, "data-number": name },
    el("div", {}, el("strong", {}, title), el("span", { class: "party", title: party }, party),
      el("span", { class: "amount" }, `${number(amount)} ${currency}`)),
    el("div", {}, el("span", { class: `status ${status.replaceAll(" ", "-")}` }, status || "saved"),
      el("div", { class: "deeds" }, can.map((one) =>
        doer(one, { module, record: id }, { "data-testid": `do-${one}`, "aria-label": `${WORDS[one]} ${title}`, "data-label": `${WORDS[one]} ${title}` }, WORDS[one])))),
    notes.map((text) => el("p", { class: "note", title: "A note that ml-connector wrote on the record" }, text)));
}
