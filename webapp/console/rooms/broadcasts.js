// Broadcasts: one message to many. The list of them, and a new one; one of them is parts/broadcast.js.

import { all } from "../api.js";
import { h, words } from "../dom.js";
import { t, whenever } from "../i18n.js";
import { broadcastForm } from "../parts/broadcast-form.js";
import { counted, progress, state, whom } from "../parts/broadcast.js";
import { listed, notForYou, walked } from "../parts/forms.js";

export class BroadcastsRoom extends HTMLElement {
  #store; #one = null;

  connect(store) {
    this.#store = store;
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
  }

  // `[broadcast_id]`, `["new"]`, or nothing for the list
  show([id]) {
    this.leave();
    const missing = ["manage", "send"].find((each) => !this.#store.has(each));
    if (missing) return this.replaceChildren(notForYou(t("broadcasts.title"), missing));
    if (!id) return this.#list();
    if (id === "new") return this.replaceChildren(broadcastForm());
    this.#one = document.createElement("one-broadcast");
    this.replaceChildren(this.#one);
    return this.#one.connect(this.#store, id);
  }

  leave() {
    this.#one?.leave();
    this.#one = null;
  }

  key(key) {
    return walked(this, ".place", key);
  }

  #list() {
    const newest = (found) => found.sort((one, other) => (one.created_at < other.created_at ? 1 : -1));
    this.replaceChildren(h("div", { class: "page" }, h("h1", {}, t("broadcasts.title")), h("p", { class: "kind" }, t("broadcasts.about")),
      h("p", {}, h("a", { class: "way-in", href: "#/broadcasts/new" }, t("broadcasts.new"))), listed(all("/v1/broadcasts", "broadcasts").then(newest), row, "broadcasts.empty")));
  }
}

function row(broadcast) {
  return h("li", {}, h("a", { class: "place", href: `#/broadcasts/${encodeURIComponent(broadcast.broadcast_id)}` },
    words(broadcast.name || t("broadcasts.unnamed"), "strong"), state(broadcast), h("span", { class: "badge" }, broadcast.channel), whom(broadcast.audience, "span", { class: "badge" }),
    h("span", { class: "kind" }, whenever(broadcast.created_at), counted(broadcast) ? ` · ${t("broadcasts.had_turn", { count: counted(broadcast) })}` : ""), progress(broadcast)));
}

customElements.define("broadcasts-room", BroadcastsRoom);
