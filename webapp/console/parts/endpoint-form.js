// What an endpoint of outgoing webhooks is to be: where it is, and of what it hears.

import { button, h } from "../dom.js";
import { t } from "../i18n.js";
import { field, pieces } from "./forms.js";

// Types of events, as docs/events.md has them.
export const EVENTS = [
  "message.accepted", "message.updated", "message.deleted", "message.rejected", "message.scheduled", "delivery.updated", "position.updated",
  "conversation.created", "conversation.members_changed", "conversation.updated", "note.accepted", "note.updated", "note.deleted", "contact.created",
  "contact.updated", "contact.consent_changed", "contact.merged", "contact.unmerged", "broadcast.updated", "account.updated", "account.health_changed",
  "template.updated", "file.updated", "webhook.disabled", "typing.updated", "presence.updated",
];
const FILTERS = ["channels", "accounts", "conversations", "labels"];

// `webhook`: what it is now, null for a new one. `act(asked, place)`: what went wrong is said in `place`.
export function endpointForm(label, webhook, act, leave) {
  const url = h("input", { type: "url", required: true, maxlength: "2048", placeholder: "https://", value: webhook?.url ?? "", dir: "ltr" });
  const events = EVENTS.map((each) => h("input", { type: "checkbox", value: each, checked: webhook?.events.includes(each) }));
  const filters = FILTERS.map((each) => [each, h("input", { value: (webhook?.filter[each] ?? []).join(" ") })]);
  const headers = h("textarea", { rows: "2", dir: "ltr", placeholder: "authorization: Bearer …" });
  const throttle = h("input", { type: "number", min: "0", max: "1000", step: "any", value: webhook?.throttle ?? 0 });
  const place = h("div", {});
  const asked = () => ({
    url: url.value.trim(), events: events.filter((each) => each.checked).map((each) => each.value),
    filter: Object.fromEntries(filters.map(([name, input]) => [name, pieces(input.value)])), throttle: Number(throttle.value) || 0,
    ...(headers.value.trim() ? { headers: headersOf(headers.value) } : {}),
  });
  return h("form", { class: "sheet", on: { submit: (event) => { event.preventDefault(); act(asked(), place); } } },
    field(t("webhooks.url"), url, t("webhooks.url.about")),
    h("details", { open: Boolean(webhook) }, h("summary", {}, t("webhooks.which")),
      h("fieldset", {}, h("legend", {}, t("webhooks.events")), h("p", { class: "kind" }, t("webhooks.events.about")),
        ...events.map((each) => h("label", { class: "tick" }, each, h("code", {}, each.value)))),
      h("p", { class: "kind" }, t("webhooks.filter.about")),
      ...filters.map(([name, input]) => field(t(`webhooks.filter.${name}`), input)),
      field(t("webhooks.headers"), headers, t(webhook ? "webhooks.headers.stay" : "webhooks.headers.about")),
      field(t("webhooks.throttle"), throttle, t("webhooks.throttle.about"))),
    place, h("div", { class: "choices" }, h("button", { class: "primary" }, label), button(t("cancel"), leave)));
}

function headersOf(text) {
  const lines = text.split("\n").map((each) => each.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((each) => {
    const [name, ...value] = each.split(":");
    return [name.trim(), value.join(":").trim()];
  }));
}
