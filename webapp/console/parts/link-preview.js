// What a link leads to. The service fetches the page, and only when somebody asked for it: for one link, or for all in this browser.

import { get } from "../api.js";
import { hasLink } from "../content.js";
import { button, h, outward, words } from "../dom.js";
import { explained, known, t } from "../i18n.js";

const KEPT = "chat4all-link-previews";
const KNOWN_MOST = 200;

const found = new Map();  // What was asked for, by message and words: bubbles are drawn anew when their state changes.

const wantsAll = () => localStorage.getItem(KEPT) === "all";

// Where somebody chooses whether they want all.
export function previewChoice() {
  const box = h("input", { type: "checkbox", checked: wantsAll(), on: { change: () => (box.checked ? localStorage.setItem(KEPT, "all") : localStorage.removeItem(KEPT)) } });
  return h("fieldset", {}, h("legend", {}, t("preview.title")), h("p", { class: "kind" }, t("preview.about")), h("label", { class: "tick" }, box, t("preview.all")));
}

// For a message with a link; null for others.
export function linkPreview(message) {
  if (message.sending || !hasLink(message.payload)) return null;
  const place = h("div", { class: "link-preview" });
  const key = `${message.message_id} ${message.edited_at ?? ""}`;
  const show = () => {
    place.replaceChildren(h("p", { class: "kind", role: "status" }, t("preview.coming")));
    asked(key, message).then((page) => place.replaceChildren(card(page)), (problem) => place.replaceChildren(h("p", { class: "kind", role: "alert" }, explained(problem))));
  };
  if (found.has(key)) show();
  else if (wantsAll()) whenSeen(place, show);
  else place.append(button(t("preview.show"), show, { class: "quiet", title: t("preview.about") }));
  return place;
}

function asked(key, { message_id: id, conversation_id: home }) {
  if (!found.has(key)) {
    if (found.size >= KNOWN_MOST) found.delete(found.keys().next().value);
    found.set(key, get(`/v1/messages/${id}/link-preview`, { conversation_id: home }));
    found.get(key).catch(() => found.delete(key));
  }
  return found.get(key);
}

function card({ url, host, title, description, reason }) {
  if (reason) return h("p", { class: "kind", role: "status" }, t("preview.none"), " ", t(known(`preview.${reason}`) ? `preview.${reason}` : "preview.other", { reason }));
  return h("div", { class: "card" }, h("p", {}, h("strong", {}, outward(url, title || host))), description ? words(description, "p") : null, h("p", { class: "kind", dir: "ltr" }, host));
}

function whenSeen(place, act) {
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((each) => each.isIntersecting)) return;
    seen.disconnect();
    act();
  });
  seen.observe(place);
}
