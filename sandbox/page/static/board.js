// The monday board: groups of items with their subitems, a cell per column in the manner of its type.

import { act } from "./act.js";
import { byId, el, folder, isOpen, link, sync } from "./dom.js";
import { date, ink, number, tally } from "./format.js";
import { linkButton, storyButton } from "./story.js";

// monday's colours by the id of a status label (contracts: monday 4).
const COLOURS = {
  0: "#fdab3d", 1: "#00c875", 2: "#df2f4a", 3: "#007eb5", 4: "#9d50dd", 5: "#c4c4c4", 6: "#037f4c", 7: "#579bfc",
  8: "#cab641", 9: "#ffcb00", 10: "#333333", 11: "#bb3354", 12: "#ff007f", 13: "#ff5ac4", 14: "#784bd1", 15: "#9cd326",
  16: "#66ccff", 17: "#757575", 18: "#7f5347", 19: "#ff6d3b", 101: "#ff7575", 102: "#faa1f1", 103: "#ffadad",
  104: "#7e3b8a", 105: "#9aadbd", 106: "#68a1bd", 107: "#225091", 108: "#4eccc6", 109: "#5559df", 110: "#401694",
  151: "#563e3e", 152: "#bda8f9", 153: "#2b76e5", 154: "#a9bee8", 155: "#d974b0", 156: "#9d99b9", 157: "#bca58a",
  158: "#a1e3f6", 159: "#cd9282", 160: "#175a63",
}; // prettier-ignore

/** The column that the product keeps, and that people change. */
const STATUS = "zb_status";

let board = null;
const turned = new Set();

/** Shows `{board}`. */
export function showBoard(data) {
  board = data.board;
  draw();
}

function draw() {
  const state = board && board.state !== "active" ? ` · this board is ${board.state}` : "";
  byId("board-name").textContent = board ? `${board.name} · ${count(active(board.items).length, "item")}${state}` : "";
  // A cell may look different under other settings of its column, so the columns are part of what the table shows.
  const shown = board ? { key: board.id, heads: [board.columns, board.subitem_columns] } : { key: "none" };
  sync(byId("items"), [shown], (one) => one.key, (one) =>
    one.heads ? table() : nothing("No board yet.", "It appears when the stand-in of monday has one."));
  if (board) fill(byId("items").querySelector("table"));
}

const active = (items) => items.filter((item) => item.state === "active");
const count = (many, noun) => `${many} ${noun}${many === 1 ? "" : "s"}`;
const live = (columns) => columns.filter((column) => !column.archived);

function nothing(title, text) {
  return el("div", { class: "empty" }, el("strong", {}, title), el("p", {}, text));
}

const heads = (columns, name) => el("thead", {}, el("tr", {},
  el("th", { scope: "col", class: "name" }, name),
  live(columns).map((column) => el("th", { scope: "col", class: `t-${column.type}` }, column.title))));

function table() {
  return el("table", {}, el("caption", { class: "unseen" }, `Board ${board.name}`), heads(board.columns, "Item"));
}

function fill(node) {
  let body = node.tHead.nextSibling;
  for (const group of board.groups.filter((one) => !one.archived && !one.deleted)) {
    if (!body) node.append((body = el("tbody")));
    body.style.setProperty("--group", group.color);
    body.classList.toggle("closed", !isOpen(turned, group.id, true));
    sync(body, rows(group), (one) => one.id, row);
    body = body.nextSibling;
  }
  while (body) {
    const next = body.nextSibling;
    body.remove();
    body = next;
  }
}

/** What the rows of a group show: its title, its items, below an open item its subitems, and how its statuses are. */
function rows(group) {
  const items = board.items.filter((item) => item.group === group.id).toReversed(); // the newest where people look
  const shown = items.flatMap(({ subitems, ...item }) => {
    const lines = subitems.filter((one) => one.state !== "deleted");
    const own = { id: item.id, item, lines: active(lines).length, folds: lines.length > 0 };
    return own.folds && isOpen(turned, item.id) ? [own, { id: `${item.id}/lines`, of: item.name, lines }] : [own];
  });
  return [
    { id: "title", group, many: active(items).length },
    ...(items.length ? shown : [{ id: "empty" }]),
    ...(active(items).length ? [{ id: "sum", battery: statuses(active(items)) }] : []),
  ];
}

function row(one) {
  if (one.group) return groupRow(one);
  if (one.item) return itemRow(one);
  if (one.of) return linesRow(one);
  if (one.battery) return sumRow(one.battery);
  const text = "An item appears here when Zoho Books sends a new record.";
  return el("tr", {}, el("td", { class: "none", colspan: live(board.columns).length + 1 }, el("span", {}, text)));
}

function groupRow({ group, many }) {
  const show = (open, button) => button.closest("tbody").classList.toggle("closed", !open);
  const fold = folder({ turned, key: group.id, open: true, show, class: "group" }, group.title);
  const inside = el("div", {}, fold, el("small", {}, count(many, "item")));
  return el("tr", { class: "group-row" }, el("th", { colspan: live(board.columns).length + 1, scope: "rowgroup" }, inside));
}

function itemRow({ item, lines, folds }) {
  const gone = item.state !== "active";
  const from = board.groups.find((group) => group.id === item.moved_from)?.title;
  const show = () => {
    draw();
    byId("items").querySelector(".lines.fresh")?.classList.remove("fresh"); // it is not news, it was only folded in
  };
  return el("tr", { class: gone ? "gone" : null, "data-item": item.id },
    el("th", { scope: "row", class: "name" }, el("div", {},
      folds ? folder({ turned, key: item.id, show, class: "fold", "aria-label": `Subitems of ${item.name}` }) : el("span", { class: "fold" }),
      storyButton(item, { class: "item", title: `${item.name}: show its story` }, item.name),
      lines ? el("span", { class: "count", title: count(lines, "subitem") }, String(lines)) : null,
      gone ? el("span", { class: "badge" }, item.state) : null,
      linkButton(item, { "aria-label": `Copy link of ${item.name}` }),
      from ? el("span", { class: "badge", title: `moved here from ${from}` }, "moved") : null,
      item.updates.length ? el("span", { class: "bubble", title: item.updates[0].text_body ?? item.updates[0].body },
        String(item.updates.length), el("span", { class: "unseen" }, item.updates.length === 1 ? " update" : " updates")) : null)),
    live(board.columns).map((column) => !gone && column.id === STATUS
      ? el("td", { class: "t-status" }, choice(column, item)) : cell(column, item.text[column.id], item.raw[column.id])));
}

function linesRow({ of, lines }) {
  const columns = live(board.subitem_columns);
  const inner = el("table", {}, el("caption", { class: "unseen" }, `Subitems of ${of}`), heads(columns, "Subitem"),
    el("tbody", {}, lines.map((line) => el("tr", { class: line.state === "active" ? null : "gone" },
      el("th", { scope: "row", class: "name" }, el("div", {}, el("span", { class: "item", title: line.name }, line.name),
        line.state === "active" ? null : el("span", { class: "badge" }, line.state))),
      columns.map((column) => cell(column, line.text[column.id], line.raw[column.id]))))));
  return el("tr", { class: "lines" }, el("td", { colspan: live(board.columns).length + 1 }, el("div", {}, inner)));
}

/** How many items of a group have which status: `[[text, colour, count], …]`, of its first status column. */
function statuses(items) {
  const column = live(board.columns).find((one) => one.type === "status");
  if (!column) return [];
  const held = items.filter((item) => item.text[column.id]);
  const colours = Object.fromEntries(held.map((item) => [item.text[column.id], colour(column, item.raw[column.id])]));
  return tally(held.map((item) => item.text[column.id])).map(([text, many]) => [text, colours[text], many]);
}

function sumRow(battery) {
  const first = live(board.columns).find((column) => column.type === "status");
  const said = battery.map(([text, , many]) => `${many} ${text}`).join(", ");
  const bar = el("div", { class: "battery", role: "img", "aria-label": said, title: said }, battery.map(([, ground, many]) => {
    const part = el("span");
    part.style.backgroundColor = ground;
    part.style.flexGrow = many;
    return part;
  }));
  return el("tr", { class: "sum" }, el("td", { class: "name" }),
    live(board.columns).map((column) => el("td", { class: `t-${column.type}` }, column === first ? bar : null)));
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

function colour(column, raw) {
  const label = column.settings.labels?.find((one) => one.id === raw.index);
  return COLOURS[label?.id] ?? COLOURS[5];
}

function status(column, text, raw) {
  const ground = colour(column, raw);
  const pill = el("span", { class: "pill" }, text);
  pill.style.backgroundColor = ground;
  pill.style.color = ink(ground);
  return pill;
}

/** The status of an item, which a person may change: it comes back to Zoho as a note. */
function choice(column, item) {
  const text = item.text[column.id] ?? "";
  const words = column.settings.labels.map((one) => one.label);
  const known = !text || words.includes(text) ? [] : [text];
  const select = el("select", { class: "pill", "data-do": "label", "data-testid": "item-status", "aria-label": `Status of ${item.name}` },
    [...(text ? [] : [""]), ...known, ...words].map((word) => el("option", { selected: word === text }, word)));
  const ground = text ? colour(column, item.raw[column.id]) : COLOURS[5];
  select.style.backgroundColor = ground;
  select.style.color = ink(ground);
  select.addEventListener("change", async () => {
    const done = await act("label", { item: item.id, label: select.value }, `Setting the status to ${select.value}`);
    if (!done) select.value = text;
  });
  return select;
}

function money(column, text) {
  const { symbol = "", direction = "left" } = column.settings.unit ?? {};
  return direction === "right" ? `${number(text)}${symbol}` : `${symbol}${number(text)}`;
}
