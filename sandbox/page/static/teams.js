// The Teams channel: its posts, newest first as Teams shows them, with cards drawn by Microsoft's own renderer.

import { byId, el, forget, sync } from "./dom.js";
import { moment, time } from "./format.js";
import { hostConfig } from "./host-config.js";
import { markdown } from "./markdown.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const SENDERS = { bot: "ml-connector", workflows: "Workflows" };

let channels = [];
let chosen = "";

/** Shows `{channels: [{name, team, messages}]}`; `open(externalId)` leads from a message to its story. */
export function showChannels(data, open) {
  channels = data.channels;
  if (!channels.some((channel) => channel.name === chosen)) chosen = channels[0]?.name ?? "";
  draw(open);
}

dark.addEventListener("change", () => {
  forget(byId("messages"));
  draw(lastOpen);
});

let lastOpen;

function draw(open) {
  lastOpen = open;
  const shown = channels.map(({ name, messages }) => ({ name, count: messages.length, on: name === chosen }));
  sync(byId("channels"), shown, (one) => one.name, (one) => tab(one, open));
  const channel = channels.find((one) => one.name === chosen);
  const messages = channel ? [...channel.messages].reverse() : [];
  const items = messages.length ? messages : [{ id: "none" }];
  sync(byId("messages"), items, (one) => `${chosen}/${one.id}`, (one) =>
    one.id === "none" ? empty(channel) : post(one, open),
  );
}

function tab({ name, count, on }, open) {
  const choose = () => {
    chosen = name;
    forget(byId("messages"));
    draw(open);
    byId("messages").scrollTop = 0;
    [...byId("channels").children].find((one) => one.getAttribute("aria-pressed") === "true")?.focus();
  };
  return el("button", { type: "button", "aria-pressed": String(on), onclick: choose },
    el("span", {}, name), el("span", { class: "count", title: `${count} posts` }, String(count)));
}

function empty(channel) {
  const where = channel ? `“${channel.name}” is quiet.` : "No channel yet.";
  return el("div", { class: "empty" }, el("strong", {}, where), el("p", {}, "A card appears here when Zoho Books sends an event."));
}

function post(message, open) {
  return el("div", { class: "post" },
    one(message, open),
    message.replies.length ? el("div", { class: "replies" }, message.replies.map((reply) => one(reply, open))) : null);
}

function one(message, open) {
  const name = SENDERS[message.from] ?? message.from;
  if (message.deleted) {
    return el("article", { class: "message deleted" }, el("p", {}, "This message has been deleted."));
  }
  return el("article", { class: "message" },
    el("span", { class: `avatar ${message.from}`, "aria-hidden": "true" }, name.charAt(0).toUpperCase()),
    el("header", {},
      el("strong", {}, name),
      el("span", { class: "badge" }, message.from === "workflows" ? "Webhook" : "App"),
      el("time", { datetime: message.at, title: moment(message.at) }, time(message.at)),
      message.edits ? el("span", { class: "edited", title: `last edited ${moment(message.edited_at)}` }, `edited ${message.edits}×`) : null,
      message.over_28_kb ? el("span", { class: "badge bad", title: "A Workflows message may have 28 KB" }, "over 28 KB") : null),
    // A Workflows webhook answers with no message id, so no entry of the trail can name the message.
    message.from === "bot" ? el("button", { type: "button", class: "story-link", onclick: () => open(message.id) }, "Story") : null,
    message.text ? el("p", { class: "text" }, message.text) : null,
    message.card ? card(message) : null);
}

/** The card; where the renderer is missing or gives up, the text that Teams would fall back to. */
function card(message) {
  const box = el("div", { class: "card" });
  try {
    const { AdaptiveCard, HostConfig } = globalThis.AdaptiveCards;
    AdaptiveCard.onProcessMarkdown = (text, result) => {
      result.outputHtml = markdown(text);
      result.didProcess = true;
    };
    const drawn = new AdaptiveCard();
    drawn.hostConfig = new HostConfig(hostConfig(dark.matches));
    drawn.onExecuteAction = openUrl;
    drawn.parse(message.card);
    const node = drawn.render();
    if (!node) throw new Error("nothing to draw");
    box.append(node);
  } catch {
    const hint = globalThis.AdaptiveCards ? "This card cannot be drawn." : "Run scripts/page-setup to see cards drawn.";
    box.append(el("p", {}, message.card.fallbackText || message.summary || "A card"), el("p", { class: "hint" }, hint));
  }
  return box;
}

function openUrl(action) {
  if (/^https:\/\//i.test(action.url ?? "")) window.open(action.url, "_blank", "noopener,noreferrer");
}
