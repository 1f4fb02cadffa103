// What an entry of the audit trail says, in words. Entries: the fields of ports.AuditEntry.

import { moment, person, time, words } from "./format.js";

export const DONE = { create: "Created in", update: "Updated in", digest: "Told in a digest in" };
export const SAID = {
  accepted: "Accepted by",
  skipped: "Nothing to do for",
  gathered: "Waits for a digest in",
  acknowledged: "answered in",
  changed: "changed it in",
  retry: "To be tried again:",
  unknown: "Outcome open:",
  parked: "Parked:",
  resent: "Sent again by a person:",
  dropped: "Given up by a person:",
};

/** Whether it tells of what somebody did at the destination. */
export const byPeople = (entry) => entry.outcome === "acknowledged" || entry.outcome === "changed";

const somebody = (entry) => {
  const name = person(entry.by ?? "") || "somebody";
  return name.charAt(0).toUpperCase() + name.slice(1);
};

/** `Created in finance`, `Asha Rao answered in finance`. */
export function sentence(entry) {
  if (byPeople(entry)) return `${somebody(entry)} ${SAID[entry.outcome]} ${entry.destination}`;
  const told = entry.outcome === "delivered" || (entry.outcome === "accepted" && entry.operation === "digest");
  const said = told ? (DONE[entry.operation] ?? "Delivered to") : (SAID[entry.outcome] ?? entry.outcome);
  return `${said} ${entry.destination}`;
}

/** What happened to the record, behind its name in the list: `updated`, `Asha Rao answered`. */
export function happened(entry) {
  if (entry.outcome === "acknowledged") return `${somebody(entry)} answered`;
  if (entry.outcome === "changed") return `${somebody(entry)} changed it`;
  const action = entry.event.split(".").at(-1).replaceAll("_", " ");
  if (entry.module === "digest") return entry.outcome === "delivered" ? "posted" : "";
  return action;
}

const KINDS = { busy: "Digest of a busy minute", quiet: "Digest of quiet hours", daily: "Daily digest" };

/** `Invoice INV-000412`, `Digest of a busy minute, 09:40`. */
export function title(entry) {
  const [, kind, ...parts] = /\.(busy|quiet|daily)-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)Z$/.exec(entry.record_id) ?? [];
  if (entry.module === "digest" && kind) {
    const [year, month, day, hour, minute] = parts;
    return `${KINDS[kind]}, ${time(`${year}-${month}-${day}T${hour}:${minute}:00Z`)}`;
  }
  return `${words(entry.module)} ${entry.number || entry.record_id}`;
}

/** When somebody did it, which is not when it was written down; "" of all other entries. */
export const since = (entry) => (byPeople(entry) ? moment(entry.version.split("~")[0]) : "");

/** The story that a message or an item leads to. Of a digest's message that is the digest, not what it tells of. */
export function behind(entries, externalId) {
  const found = entries.filter((entry) => entry.external_id === externalId);
  return found.find((entry) => entry.operation !== "digest") ?? found[0];
}

/**
 * The entries that the list shows, newest first. What a digest told is in the digest's own row, as `tells`; what still
 * waits for one is one row for each digest, as `waits`.
 */
export function listed(entries) {
  const told = new Map();
  const waiting = new Map();
  const ended = new Set();
  const digests = new Set(entries.filter((entry) => entry.module === "digest").map((entry) => entry.external_id).filter(Boolean));
  const rows = [];
  for (const entry of entries) {
    if (entry.operation === "digest" && digests.has(entry.external_id)) {
      told.set(entry.external_id, (told.get(entry.external_id) ?? 0) + 1);
    } else if (entry.outcome === "gathered") {
      if (ended.has(entry.delivery)) continue;
      if (!waiting.has(entry.reason)) rows.push(entry);
      waiting.set(entry.reason, (waiting.get(entry.reason) ?? 0) + 1);
    } else rows.push(entry);
    if (entry.delivery) ended.add(entry.delivery);
  }
  return rows.map((entry) => {
    if (entry.outcome === "gathered") return { ...entry, waits: waiting.get(entry.reason) };
    const tells = entry.module === "digest" && entry.outcome !== "retry" ? told.get(entry.external_id) : 0;
    return tells ? { ...entry, tells } : entry;
  });
}

/** The entries of what a digest told, by the message that it became. */
export function told(entries, steps) {
  const messages = new Set(steps.filter((step) => step.module === "digest").map((step) => step.external_id).filter(Boolean));
  return entries.filter((entry) => entry.operation === "digest" && messages.has(entry.external_id)).reverse();
}
