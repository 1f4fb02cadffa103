// The audit widget beside the other panes: the same HTML as on the CloudWatch dashboard, in a frame of its own.

import { copier } from "./act.js";
import { byId, el } from "./dom.js";

/** A button that shows the story behind a Teams message or a monday item; dead while the trail has none. */
export function storyButton({ id, link }, props, ...children) {
  return el("button", { type: "button", disabled: !link, "data-testid": "story", ...props, onclick: () => show(id) }, ...children);
}

function show(externalId) {
  const frame = byId("widget");
  // `replace` leaves no step in the browser's history.
  frame.contentWindow.location.replace(`widget/?find=${encodeURIComponent(externalId)}`);
  byId("audit").scrollIntoView({ block: "nearest" });
  frame.focus({ preventScroll: true });
}

let connection = "";
let environment = "";

/** Shows `{connection, environment}`: the lines for a second terminal. */
export function showPlace(place) {
  ({ connection, environment } = place);
  command(`mlc audit list ${connection}`);
}

function command(line) {
  byId("command").textContent = `. ${environment} && ${line}`;
}

/** A button that copies the link of a message or an item, for `mlc audit show`. */
export function linkButton({ link }, props, ...children) {
  const told = `Link copied. Its story, in a second terminal: mlc audit show ${connection} "…"`;
  const button = copier(link, told, { class: "story-link icon", "data-testid": "copy-link", "data-link": link, disabled: !link, title: "Copy link", ...props }, ...children);
  button.addEventListener("click", () => command(`mlc audit show ${connection} "${link}"`));
  return button;
}
