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

const controls = (node) => [node, ...node.querySelectorAll("a, button, select, summary, [tabindex]")];

/** Where the focus goes when its control is no more: the part of the page that it was in. */
const restOf = (parent) => parent.closest(".panel")?.querySelector(".scroll, iframe");

/**
 * Makes the children of `parent` show `items` in order. A child whose item did not change is left alone, so that
 * nothing flickers and no scrolling jumps; in one that did, the same control keeps the focus. After the first time,
 * what is new or changed is marked.
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
      const focused = entry ? controls(entry.node).indexOf(document.activeElement) : -1;
      if (entry) entry.node.replaceWith(node);
      if (place === entry?.node) place = node;
      if (focused >= 0) (controls(node)[focused] ?? restOf(parent))?.focus({ preventScroll: true });
      entry = { node, state };
    }
    after.set(name, entry);
    if (place === entry.node) place = place.nextSibling;
    else parent.insertBefore(entry.node, place);
  }
  while (place) {
    const next = place.nextSibling;
    const focused = place.contains(document.activeElement);
    place.remove();
    if (focused) restOf(parent)?.focus({ preventScroll: true });
    place = next;
  }
  parent.shown = after;
}

/** Forget what `parent` shows: the next sync draws it anew. */
export function forget(parent) {
  parent.replaceChildren();
  delete parent.shown;
}

/**
 * A button that folds something out and in; `show(open)` does it. `turned` remembers, by `key`, what people have turned
 * from how it was at first, `open` or not, so that what is drawn anew stays as they want it.
 */
export function folder({ turned, key, open = false, show, ...props }, ...children) {
  const button = el("button", { type: "button", "aria-expanded": String(isOpen(turned, key, open)), ...props }, ...children);
  button.addEventListener("click", () => {
    if (!turned.delete(key)) turned.add(key);
    const now = isOpen(turned, key, open);
    button.setAttribute("aria-expanded", String(now));
    show(now, button);
  });
  return button;
}

export const isOpen = (turned, key, open = false) => turned.has(key) !== open;

export const byId = (id) => document.getElementById(id);
