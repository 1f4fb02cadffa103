// Times, numbers and colours as people read them. Times are shown in the viewer's zone.

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const precise = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const dayAndClock = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "long" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

/** `06:40`, with the day if it is not today. */
export function time(at) {
  const moment = new Date(at);
  return moment.toDateString() === new Date().toDateString() ? clock.format(moment) : dayAndClock.format(moment);
}

/** `06:40:12`. */
export const clockSeconds = (at) => precise.format(new Date(at));
export const moment = (at) => full.format(new Date(at));

/** `2026-11-22` as `22 Nov 2026`; with a UTC time (monday keeps times so) as the viewer's day and clock. */
export function date(text, utcTime = "") {
  return utcTime ? dayAndClock.format(new Date(`${text}T${utcTime}Z`)) : day.format(new Date(`${text}T00:00:00Z`));
}

/** `1284.5` as `1,284.5`: the decimals that were sent, digit for digit, in groups of three. */
export function number(text) {
  const [whole, decimals] = text.split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return decimals === undefined ? grouped : `${grouped}.${decimals}`;
}

/** White or near-black, whichever reads better on `#rrggbb` (WCAG contrast). */
export function ink(background) {
  const [red, green, blue] = [1, 3, 5].map((from) => {
    const part = Number.parseInt(background.slice(from, from + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return 1.05 / (light + 0.05) >= 4.5 ? "#ffffff" : "#1b1d28";
}

/** `Asha Rao`, `Asha Rao and Jon Ek`, `Asha Rao, Jon Ek and 2 others`; each name once. */
export function among(names) {
  const each = [...new Set(names)];
  const others = each.length - 2;
  if (others > 0) return `${each[0]}, ${each[1]} and ${others} ${others === 1 ? "other" : "others"}`;
  return each.join(" and ");
}

/** The first letters of the first and the last word of a name: `AR`. */
export function initials(name) {
  const parts = name.split(/\s+/).filter(Boolean).map((word) => [...word][0].toUpperCase());
  return parts.length > 1 ? parts[0] + parts.at(-1) : (parts[0] ?? "?");
}

/** How many of which text there are: `[[text, count], …]`, in the order in which they first come. */
export function tally(texts) {
  const counts = new Map();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts];
}
