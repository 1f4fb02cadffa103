// Teams: a channel or a chat, its posts each with its thread, the last written in first. Cards are drawn by Microsoft's
// own renderer.

import { byId, el, folder, forget, isOpen, sync } from "./dom.js";
import { among, initials, moment, time } from "./format.js";
import { hostConfig } from "./host-config.js";
import { markdown } from "./markdown.js";
import { linkButton, storyButton } from "./story.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const SENDERS = { bot: "ml-connector", workflows: "Workflows" };
/** Replies below a post; earlier ones are behind a button. */
const REPLIES = 3;

let channels = [];
let chosen = "";
const turned = new Set();

/** Shows `{channels: [{name, messages, person?, deleted?}]}`; with `person` it is a chat. */
export function showChannels(data) {
  channels = data.channels;
  if (!channels.some((channel) => channel.name === chosen)) chosen = channels[0]?.name ?? "";
  draw();
}

dark.addEventListener("change", () => {
  forget(byId("messages"));
  draw();
});

function draw() {
  const shown = channels.map(({ messages, ...channel }) => ({ ...channel, count: messages.length, on: channel.name === chosen }));
  sync(byId("channels"), shown, (one) => one.name, tab);
  const channel = channels.find((one) => one.name === chosen);
  const posts = (channel?.messages ?? []).toReversed().sort((one, other) => latest(other) - latest(one));
  const items = [...(channel?.deleted ? [{ id: "gone" }] : []), ...(posts.length ? posts : [{ id: "none" }])];
  sync(byId("messages"), items, (one) => `${chosen}/${one.id}`, (one) =>
    one.id === "none" ? empty(channel) : one.id === "gone" ? gone(channel) : post(one));
}

const latest = (post) => new Date((post.replies.at(-1) ?? post).at);

function tab({ name, count, on, person, deleted }) {
  const choose = () => {
    chosen = name;
    forget(byId("messages"));
    draw();
    byId("messages").scrollTop = 0;
  };
  return el("button", { type: "button", class: deleted ? "lost" : null, "aria-pressed": String(on), onclick: choose,
    title: person ? `Chat of ml-connector with ${name}` : `Channel ${name}${deleted ? ", deleted" : ""}` },
    person ? el("span", { class: "avatar person", "aria-hidden": "true" }, initials(name)) : null,
    el("span", { class: "name" }, name), el("span", { class: "count", title: `${count} posts` }, String(count)));
}

function empty(channel) {
  const where = channel ? `“${channel.name}” is quiet.` : "No channel yet.";
  return el("div", { class: "empty" }, el("strong", {}, where), el("p", {}, "A card appears here when Zoho Books sends an event."));
}

function gone(channel) {
  return el("p", { class: "notice" }, el("strong", {}, `“${channel.name}” was deleted in Teams.`),
    " What was posted before is shown as it was; nothing more arrives.");
}

const nameOf = (message) => message.by || (SENDERS[message.from] ?? message.from);

function post(message) {
  return el("div", { class: "post" }, one(message), message.replies.length ? thread(message) : null);
}

function thread({ id, replies }) {
  const early = replies.slice(0, -REPLIES);
  const box = el("div", { class: "replies" });
  if (early.length) {
    const before = el("div", { class: "early", hidden: !isOpen(turned, id) }, early.map(one));
    const said = (open) =>
      open ? "Show fewer replies" : `${early.length} earlier ${early.length === 1 ? "reply" : "replies"} from ${among(early.map(nameOf))}`;
    const show = (open, button) => {
      before.hidden = !open;
      button.textContent = said(open);
    };
    box.append(folder({ turned, key: id, show, class: "earlier" }, said(isOpen(turned, id))), before);
  }
  box.append(...replies.slice(-REPLIES).map(one));
  return box;
}

function one(message) {
  if (message.deleted) {
    return el("article", { class: "message deleted" }, el("p", {}, "This message has been deleted."));
  }
  const name = nameOf(message);
  const person = message.from === "person";
  const said = message.summary || `what ${name} wrote`;
  return el("article", { class: "message", "data-id": message.id },
    el("span", { class: `avatar ${message.from}`, "aria-hidden": "true" }, initials(name)),
    el("header", {},
      el("strong", {}, name),
      person ? null : el("span", { class: "badge" }, message.from === "workflows" ? "Webhook" : "App"),
      el("time", { datetime: message.at, title: moment(message.at) }, time(message.at)),
      message.edits ? el("span", { class: "edited", title: `last edited ${moment(message.edited_at)}` }, `edited ${message.edits}×`) : null,
      message.over_28_kb ? el("span", { class: "badge bad", title: "A Workflows message may have 28 KB" }, "over 28 KB") : null),
    el("span", { class: "links" },
      linkButton(message, { "aria-label": `Copy link of ${said}` }, "Copy link"),
      storyButton(message, { class: "story-link", "aria-label": `Story of ${said}` }, "Story")),
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
