// The markdown that Teams draws in cards: bold, italic, links, lists and escaped characters (contracts:
// microsoft-teams 5.3). HTML in the text is shown, never drawn.

const escapes = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const safe = (text) => text.replace(/[&<>"']/g, (character) => escapes[character]);

const PATTERN =
  /\\([\\`*_{}[\]()#+\-.!~>|])|\[((?:\\.|[^\]\\])+)\]\(((?:\\.|[^()\s\\])+)\)|\*\*((?:\\.|[^\\])+?)\*\*|([*_])((?:\\.|[^\\])+?)\5/g;

function inline(text) {
  let html = "";
  let from = 0;
  for (const found of text.matchAll(PATTERN)) {
    const [all, escaped, label, url, bold, , italic] = found;
    html += safe(text.slice(from, found.index));
    if (escaped !== undefined) html += safe(escaped);
    else if (bold !== undefined) html += `<strong>${inline(bold)}</strong>`;
    else if (italic !== undefined) html += `<em>${inline(italic)}</em>`;
    else if (/^https:\/\//i.test(url)) {
      const target = safe(url.replace(/\\(.)/g, "$1"));
      html += `<a href="${target}" target="_blank" rel="noopener noreferrer">${inline(label)}</a>`;
    } else html += safe(all);
    from = found.index + all.length;
  }
  return html + safe(text.slice(from));
}

const ITEM = /^\s*(?:([-*+])|\d+\.)\s+/;

/** The HTML of a text: everything in it is escaped but the few elements that markdown stands for. */
export function markdown(text) {
  const blocks = [];
  for (const line of text.split(/\r\n|\r|\n/)) {
    const item = ITEM.exec(line);
    const kind = item ? (item[1] ? "ul" : "ol") : "p";
    const html = inline(item ? line.slice(item[0].length) : line);
    const last = blocks.at(-1);
    if (last?.kind === kind) last.lines.push(html);
    else blocks.push({ kind, lines: [html] });
  }
  return blocks
    .map(({ kind, lines }) =>
      kind === "p" ? `<p>${lines.join("<br>")}</p>` : `<${kind}>${lines.map((line) => `<li>${line}</li>`).join("")}</${kind}>`,
    )
    .join("");
}
