// Saved replies: chosen and made ready for this conversation, or kept from what stands in the composer.

import { all, call } from "../api.js";
import { button, h, words } from "../dom.js";
import { t } from "../i18n.js";
import { field, nothing, tried } from "./forms.js";

// `written`: what stands in the composer; `take(payload)`: what was chosen, with its variables filled in.
export function replies(conversationId, written, take) {
  const [place, list] = [h("div", {}), h("ul", { class: "places" })];
  const find = h("input", { type: "search", "aria-label": t("replies.find"), placeholder: t("replies.find"), on: { input: () => draw() } });
  const dialog = h("dialog", { "aria-label": t("replies.title") }, h("h2", {}, t("replies.title")), find, place, list, keeping(written, place, () => load()),
    button(t("close"), () => dialog.close()));
  let found = [];
  const choose = (reply) => tried(place, async () => {
    const { payload } = await call("POST", `/v1/saved-replies/${reply.reply_id}/render`, { conversation_id: conversationId });
    dialog.close();
    take(payload);
  });
  const draw = () => {
    const wanted = find.value.trim().toLocaleLowerCase();
    const fitting = found.filter((each) => `${each.shortcut} ${each.title} ${each.text}`.toLocaleLowerCase().includes(wanted));
    list.replaceChildren(...fitting.map((each) => h("li", {}, h("button", { type: "button", class: "place", on: { click: () => choose(each) } },
      words(each.title, "strong"), h("code", {}, each.shortcut), words(each.text, "span", { class: "kind" })))));
    if (!found.length) list.append(nothing("replies.empty"));
  };
  const load = () => tried(place, async () => {
    found = await all("/v1/saved-replies", "saved_replies");
    draw();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  load();
}

function keeping(written, place, kept) {
  const title = h("input", { required: true, maxlength: "100" });
  const shortcut = h("input", { required: true, maxlength: "32", pattern: "[a-z0-9_\\-]+", autocomplete: "off" });
  const text = h("textarea", { required: true, rows: "3", maxlength: "4096", dir: "auto" }, written);
  const submit = async (event) => {
    event.preventDefault();
    if (await tried(place, () => call("POST", "/v1/saved-replies", { title: title.value.trim(), shortcut: shortcut.value.trim(), text: text.value }))) await kept();
  };
  return h("details", {}, h("summary", {}, t("replies.new")), h("form", { class: "sheet", on: { submit } }, field(t("replies.name"), title),
    field(t("replies.shortcut"), shortcut, t("replies.shortcut.about")), field(t("replies.words"), text, t("replies.words.about")), h("div", { class: "choices" }, h("button", { class: "primary" }, t("save")))));
}
