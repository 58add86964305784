// Sending again what failed of a message: tried first without doing it, so that one sees what would go.

import { call } from "../api.js";
import { button, h, words } from "../dom.js";
import { t } from "../i18n.js";
import { sure, tried } from "./forms.js";

// A button, and below it what came of it. `done()` when something was sent again.
export function resending(messageId, done = () => {}) {
  const place = h("div", {});
  const path = `/v1/messages/${encodeURIComponent(messageId)}/resend`;
  const send = () => tried(place, async () => {
    const { resent, left } = await call("POST", path, { dry_run: true });
    if (!resent.length) return place.replaceChildren(h("p", { role: "status" }, t("resend.nothing")), ...reasons(left));
    if (!await sure(t("resend"), t("resend.about", { count: resent.length }), t("resend"), { danger: false })) return undefined;
    const said = await call("POST", path, { dry_run: false });
    place.replaceChildren(h("p", { role: "status" }, t("resend.done", { count: said.resent.length })), ...reasons(said.left));
    return done();
  });
  return h("div", {}, h("div", { class: "choices" }, button(t("resend"), send, { class: "primary" })), place);
}

function reasons(left) {
  return left.length ? [h("p", {}, t("resend.left")), h("ul", {}, ...left.map((each) => words(each.why, "li", { lang: "en" })))] : [];
}
