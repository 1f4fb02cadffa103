// Building and refreshing the page without ever parsing HTML: whatever a vendor sent is text.

/** An element. `props` are attributes; null, undefined and false leave one out. Children: nodes or texts. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** A link to the outside, in a new tab; anything but https is shown as text. */
export function link(url, text, props = {}) {
  if (!/^https:\/\//i.test(url)) return document.createTextNode(text);
  return el("a", { ...props, href: url, target: "_blank", rel: "noopener noreferrer" }, text);
}

/**
 * Makes the children of `parent` show `items` in order. A child whose item did not change is left alone, so that
 * nothing flickers, no focus is lost and no scrolling jumps. After the first time, what is new or changed is marked.
 */
export function sync(parent, items, key, make) {
  const before = parent.shown ?? new Map();
  const after = new Map();
  const first = parent.shown === undefined;
  let place = parent.firstChild;
  for (const item of items) {
    const name = key(item);
    const state = JSON.stringify(item);
    let entry = before.get(name);
    if (entry?.state !== state) {
      const node = make(item);
      if (!first) node.classList.add("fresh");
      if (entry) {
        if (place === entry.node) place = entry.node.nextSibling;
        entry.node.remove();
      }
      entry = { node, state };
    }
    after.set(name, entry);
    if (place === entry.node) place = place.nextSibling;
    else parent.insertBefore(entry.node, place);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
  parent.shown = after;
}

/** Forget what `parent` shows: the next sync draws it anew. */
export function forget(parent) {
  parent.replaceChildren();
  delete parent.shown;
}

export const byId = (id) => document.getElementById(id);
