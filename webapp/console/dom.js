// Builds the page. What people wrote goes in as text only: nothing here takes markup, and the page's policy refuses it too.

const SVG = "http://www.w3.org/2000/svg";

// An element with properties and children. `on`: listeners by event; `data`: data- attributes; null and false are left out.
export function h(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(element, { on = {}, data = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [name, value] of Object.entries(data)) element.dataset[name] = value;
  for (const [name, listener] of Object.entries(on)) element.addEventListener(name, listener);
  element.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== false));
  return element;
}

// Let `parent` have these children in this order. What stays where it is is not touched: so nothing that plays or is focused stops.
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const each of [...parent.childNodes]) if (!wanted.has(each)) each.remove();
  let at = parent.firstChild;
  for (const each of nodes) {
    if (each === at) at = at.nextSibling;
    else parent.insertBefore(each, at);
  }
}

// What people wrote: its direction follows from its own letters.
export function words(text, tag = "span", properties = {}) {
  return h(tag, { dir: "auto", ...properties }, String(text ?? ""));
}

// For those who listen to the page.
export function spoken(text) {
  return h("span", { class: "spoken" }, text);
}

export function button(label, act, properties = {}) {
  return h("button", { type: "button", on: { click: act }, ...properties }, label);
}

// A button that shows a sign, and says what it does.
export function iconButton(sign, label, act, properties = {}) {
  return h("button", { type: "button", class: "icon", title: label, "aria-label": label, on: { click: act }, ...properties },
    h("span", { "aria-hidden": "true" }, sign));
}

// A link to a page that somebody else named: pages of the web only, and it learns nothing of where it was followed.
export function outward(url, label) {
  let parsed = null;
  try {
    parsed = new URL(url);
  } catch {
    return words(label || url);
  }
  if (!["http:", "https:"].includes(parsed.protocol)) return words(label || url);
  return h("a", { href: parsed.href, target: "_blank", rel: "noopener noreferrer", dir: "auto" }, label || url);
}

const CALM_MS = 120;

// At once, and then once in a while, however often it is asked for: people do not read faster, and drawing costs.
export function calmly(act) {
  let [timer, last] = [0, -Infinity];
  return () => {
    timer ||= setTimeout(() => {
      [timer, last] = [0, performance.now()];
      act();
    }, Math.max(0, last + CALM_MS - performance.now()));
  };
}
