// Asks for news once a second and hands it to the parts of the page. An unchanged answer costs no drawing.

import { copy } from "./act.js";
import { showBoard } from "./board.js";
import { byId } from "./dom.js";
import { setConnection, showOperations } from "./operations.js";
import { showPlace } from "./story.js";
import { showChannels } from "./teams.js";
import { showBooks } from "./zoho.js";

const parts = [
  { path: "api/place", show: (place) => (setConnection(place.connection), showPlace(place)) },
  { path: "api/operations", show: showOperations },
  { path: "api/books", show: showBooks },
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

/** So many milliseconds, or until somebody has done something. */
const pause = (ms) => new Promise((done) => {
  setTimeout(done, ms);
  addEventListener("acted", done, { once: true });
});

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

byId("copy-command").addEventListener("click", () => copy(byId("command").textContent, "Copied: paste it in a second terminal."));
watch();
