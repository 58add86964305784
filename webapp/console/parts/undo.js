// What was just done, in a line below, and a way back for some seconds. One at a time: the newest.

import { button, h } from "../dom.js";
import { explained, t } from "../i18n.js";

const STAYS_MS = 8000;

let [shown, timer, back] = [null, 0, null];

// `work`: a promise of what is still being done. It is told when it is done; an undo asked for before waits for it, so that it is
// never about what was done before. `undo()` may be refused: then it is said why.
export async function offer(said, undo, work = Promise.resolve()) {
  drop();
  const act = async () => {
    if (await work.then(() => true, () => false)) await undo();
  };
  back = act;
  try {
    await work;
  } catch (problem) {
    if (back === act) drop();
    throw problem;
  }
  if (back !== act) return;
  shown = h("div", { class: "toast" }, h("span", { role: "status" }, said), button(t("undo"), undone, { "aria-keyshortcuts": "z" }));
  document.body.append(shown);
  timer = setTimeout(drop, STAYS_MS);
}

// Undo what is offered; false when nothing is.
export function undone() {
  if (!back) return false;
  const act = back;
  drop();
  act().catch((problem) => tell(explained(problem)));
  return true;
}

function tell(said) {
  shown = h("div", { class: "toast" }, h("span", { role: "alert" }, said));
  document.body.append(shown);
  timer = setTimeout(drop, STAYS_MS);
}

export function drop() {
  clearTimeout(timer);
  shown?.remove();
  [shown, back] = [null, null];
}
