// The monday board: groups of items, a cell per column in the manner of its type.

import { byId, el, link, sync } from "./dom.js";
import { date, ink, number } from "./format.js";

// monday's colours by the id of a status label (contracts: monday 4).
const COLOURS = {
  0: "#fdab3d", 1: "#00c875", 2: "#df2f4a", 3: "#007eb5", 4: "#9d50dd", 5: "#c4c4c4", 6: "#037f4c", 7: "#579bfc",
  8: "#cab641", 9: "#ffcb00", 10: "#333333", 11: "#bb3354", 12: "#ff007f", 13: "#ff5ac4", 14: "#784bd1", 15: "#9cd326",
  16: "#66ccff", 17: "#757575", 18: "#7f5347", 19: "#ff6d3b", 101: "#ff7575", 102: "#faa1f1", 103: "#ffadad",
  104: "#7e3b8a", 105: "#9aadbd", 106: "#68a1bd", 107: "#225091", 108: "#4eccc6", 109: "#5559df", 110: "#401694",
  151: "#563e3e", 152: "#bda8f9", 153: "#2b76e5", 154: "#a9bee8", 155: "#d974b0", 156: "#9d99b9", 157: "#bca58a",
  158: "#a1e3f6", 159: "#cd9282", 160: "#175a63",
}; // prettier-ignore

/** Shows `{board}`; `open(externalId)` leads from an item to its story. */
export function showBoard({ board }, open) {
  byId("board-name").textContent = board ? `${board.name} · ${count(active(board).length, "item")}` : "";
  sync(byId("items"), [board ? { key: board.id, head: board.columns } : { key: "none" }], (one) => one.key, (one) =>
    one.head ? table(board) : nothing("No board yet.", "It appears when the stand-in of monday has one."));
  if (board) fill(byId("items").querySelector("table"), board, open);
}

const active = (board) => board.items.filter((item) => item.state === "active");
const count = (many, noun) => `${many} ${noun}${many === 1 ? "" : "s"}`;
const columns = (board) => board.columns.filter((column) => !column.archived);

function nothing(title, text) {
  return el("div", { class: "empty" }, el("strong", {}, title), el("p", {}, text));
}

function table(board) {
  const heads = columns(board).map((column) => el("th", { scope: "col", class: `t-${column.type}` }, column.title));
  return el("table", {}, el("caption", { class: "unseen" }, `Board ${board.name}`),
    el("thead", {}, el("tr", {}, el("th", { scope: "col", class: "name" }, "Item"), heads)));
}

function fill(node, board, open) {
  const groups = board.groups.filter((group) => !group.archived && !group.deleted);
  let body = node.tHead.nextSibling;
  for (const group of groups) {
    if (!body) node.append((body = el("tbody")));
    const items = board.items.filter((item) => item.group === group.id);
    const rows = [{ id: "title", title: group.title, many: items.length }, ...items];
    if (!items.length) rows.push({ id: "empty" });
    // A cell may look different under other settings of its column, so these are part of what a row shows.
    sync(body, rows, (one) => one.id, (one) => row(one, board, open));
    body = body.nextSibling;
  }
  while (body) {
    const next = body.nextSibling;
    body.remove();
    body = next;
  }
}

function row(item, board, open) {
  const shown = columns(board);
  if (item.id === "title") {
    const inside = el("span", { class: "group" }, item.title, el("small", {}, count(item.many, "item")));
    return el("tr", { class: "group-row" }, el("th", { colspan: shown.length + 1, scope: "rowgroup" }, inside));
  }
  if (item.id === "empty") {
    const text = "An item appears here when Zoho Books sends a new record.";
    return el("tr", {}, el("td", { class: "none", colspan: shown.length + 1 }, el("span", {}, text)));
  }
  const gone = item.state !== "active";
  const name = el("button", { type: "button", class: "item", title: `${item.name}: show its story`, onclick: () => open(item.id) }, item.name);
  return el("tr", { class: gone ? "gone" : null },
    el("th", { scope: "row", class: "name" }, el("div", {}, name,
      gone ? el("span", { class: "badge" }, item.state) : null,
      item.updates.length ? el("span", { class: "badge", title: "Updates below the item" }, count(item.updates.length, "update")) : null)),
    shown.map((column) => cell(column, item.text[column.id], item.raw[column.id])));
}

function cell(column, text, raw) {
  const box = el("td", { class: `t-${column.type}` });
  if (!text) return box;
  switch (column.type) {
    case "status":
      box.append(status(column, text, raw));
      break;
    case "numbers":
      box.append(money(column, text));
      break;
    case "date":
      box.append(date(raw.date, raw.time));
      break;
    case "link":
      box.append(link(raw.url, raw.text || raw.url));
      break;
    case "dropdown":
      box.append(el("span", { class: "chip" }, text));
      break;
    case "checkbox":
      box.append("✓");
      break;
    default:
      // Ids are for machines: they may be cut short.
      box.append(el("span", { class: /\s/.test(text) || text.length < 20 ? "clip" : "clip code", title: text }, text));
  }
  return box;
}

function status(column, text, raw) {
  const label = column.settings.labels?.find((one) => one.id === raw.index);
  const colour = COLOURS[label?.id] ?? COLOURS[5];
  const pill = el("span", { class: "pill" }, text);
  pill.style.backgroundColor = colour;
  pill.style.color = ink(colour);
  return pill;
}

function money(column, text) {
  const { symbol = "", direction = "left" } = column.settings.unit ?? {};
  return direction === "right" ? `${number(text)}${symbol}` : `${symbol}${number(text)}`;
}
