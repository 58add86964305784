// Webhooks: the endpoints of a team's own backend. The list of them, and a new one; one of them is parts/endpoint.js.

import { all, call } from "../api.js";
import { button, h, words } from "../dom.js";
import { t } from "../i18n.js";
import { health } from "../parts/endpoint.js";
import { endpointForm } from "../parts/endpoint-form.js";
import { listed, notForYou, tried, walked } from "../parts/forms.js";

export class WebhooksRoom extends HTMLElement {
  #store; #fresh = null;

  connect(store) {
    this.#store = store;
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
  }

  // `[webhook_id]`, or nothing for the list
  show([id]) {
    if (!this.#store.has("manage")) return this.replaceChildren(notForYou(t("webhooks.title"), "manage"));
    if (!id) return this.#list();
    const endpoint = document.createElement("webhook-endpoint");
    this.replaceChildren(endpoint);
    endpoint.connect(id, this.#fresh?.webhook_id === id ? this.#fresh.secret : "");
    this.#fresh = null;
    return undefined;
  }

  leave() {}

  key(key) {
    return walked(this, ".place, .letter summary", key);
  }

  #list() {
    const add = button(t("webhooks.new"), () => this.#add(add), { class: "primary" });
    this.replaceChildren(h("div", { class: "page" }, h("h1", {}, t("webhooks.title")), h("p", { class: "kind" }, t("webhooks.about")), add, listed(all("/v1/webhooks", "webhooks"), row, "webhooks.empty")));
  }

  #add(instead) {
    const key = crypto.randomUUID();
    const form = endpointForm(t("webhooks.create"), null, (asked, place) => tried(place, async () => {
      this.#fresh = await call("POST", "/v1/webhooks", asked, { "Idempotency-Key": key });
      location.hash = `#/webhooks/${this.#fresh.webhook_id}`;
    }), () => form.replaceWith(instead));
    instead.replaceWith(form);
    form.querySelector("input").focus();
  }
}

function row(webhook) {
  return h("li", {}, h("a", { class: "place", href: `#/webhooks/${webhook.webhook_id}` },
    words(webhook.url, "strong"), health(webhook),
    h("span", { class: "kind" }, webhook.events.length ? webhook.events.join(", ") : t("webhooks.all_events"))));
}

customElements.define("webhooks-room", WebhooksRoom);
