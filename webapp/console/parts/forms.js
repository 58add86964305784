// Fields of forms, questions that are asked before something is done, and what went wrong, beside where it was asked for.

import { button, h } from "../dom.js";
import { explained, known, t } from "../i18n.js";

let number = 0;

// A control under its label; `about`: what belongs there, and where it stands.
export function field(label, control, about = "") {
  const id = `about-${number += 1}`;
  if (about) control.setAttribute("aria-describedby", id);
  return h("div", { class: "field" }, h("label", { class: "field" }, h("span", { class: "label" }, label), control), about ? h("span", { class: "kind", id }, about) : null);
}

// Asked once more before it is done. `body`: nodes between the words and the buttons. True when they say so.
export function sure(title, text, yes, { danger = true, body = [] } = {}) {
  return new Promise((resolve) => {
    let said = false;
    const dialog = h("dialog", { "aria-label": title }, h("h2", {}, title), h("p", {}, text), ...body,
      h("div", { class: "choices" },
        button(yes, () => { said = true; dialog.close(); }, { class: danger ? "danger" : "primary" }),
        button(t("keep"), () => dialog.close())));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(said);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Told in a dialog, until it is closed.
export function told(title, ...body) {
  const dialog = h("dialog", { "aria-label": title }, h("h2", {}, title), ...body, button(t("close"), () => dialog.close(), { class: "primary" }));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// Do it; what goes wrong is said in `place`. Whether it went well.
export async function tried(place, act) {
  place.replaceChildren();
  try {
    await act();
    return true;
  } catch (problem) {
    place.replaceChildren(h("p", { class: "trouble", role: "alert" }, worded(problem)));
    return false;
  }
}

// Where the service names the field and we have no words of our own, its words say what belongs there.
export function worded(problem) {
  return problem.field && problem.detail && !known(`problem.${problem.code}`) ? `${problem.field}: ${problem.detail}` : explained(problem);
}

// What is told only now: to be copied and kept elsewhere.
export function onlyNow(label, secret) {
  const copy = button(t("copy"), async () => {
    await navigator.clipboard.writeText(secret).catch(() => {});
    copy.textContent = t("copied");
  });
  const box = h("div", { class: "only-now", role: "status" }, h("p", {}, h("strong", {}, label)), h("p", {}, t("only_now")),
    h("p", {}, h("code", { class: "secret", tabindex: "0" }, secret)),
    h("div", { class: "choices" }, copy, button(t("only_now.kept"), () => box.remove(), { class: "primary" })));
  return box;
}

// A line that is to be copied to somewhere else.
export function copied(text) {
  const copy = button(t("copy"), async () => {
    await navigator.clipboard.writeText(text).catch(() => {});
    copy.textContent = t("copied");
  });
  return h("span", { class: "copied" }, h("code", { dir: "ltr" }, text), " ", copy);
}

// What a room shows to somebody who may not use it: which scope it takes, and how to come by it.
export function notForYou(title, scope) {
  return h("div", { class: "empty" }, h("h1", {}, title), h("p", {}, t("scope.needed", { scope })), h("p", {}, t("scope.needed.do", { scope })));
}

// What a list shows where there is nothing, and what to do then.
export const nothing = (key) => h("li", { class: "empty" }, h("p", {}, t(key)), h("p", {}, t(`${key}.do`)));

// A list of places that is fetched: each as a `row`, in its place what went wrong. `key`: of what is said where there are none.
export function listed(fetched, row, key) {
  const rows = h("ul", { class: "places" }, h("li", {}, t("loading")));
  fetched.then((found) => rows.replaceChildren(...(found.length ? found.map(row) : [nothing(key)])),
    (problem) => rows.replaceChildren(h("li", { class: "trouble", role: "alert" }, explained(problem))));
  return rows;
}

// `j` and `k` through what `selector` finds; false for other keys.
export function walked(root, selector, key) {
  if (key !== "j" && key !== "k") return false;
  const rows = [...root.querySelectorAll(selector)];
  const place = rows.indexOf(document.activeElement);
  rows[Math.max(0, Math.min(rows.length - 1, place + (key === "j" ? 1 : -1)))]?.focus();
  return true;
}

export const choice = (value, label, chosen = "") => h("option", { value, selected: value === chosen }, label);
export const pieces = (text) => text.split(/[\s,]+/).filter(Boolean);
