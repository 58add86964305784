// The inbox: conversations on one side, the chosen one on the other.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { FILTERS } from "../store.js";
import "../parts/conversation-list.js";
import "../parts/conversation-view.js";

export class InboxRoom extends HTMLElement {
  #store; #list; #view; #search;

  connect(store) {
    this.#store = store;
    this.#search = h("input", {
      type: "search", "aria-label": t("inbox.search"), placeholder: t("inbox.search"), autocomplete: "off",
      on: { input: () => { this.#list.filter = this.#search.value; } },
    });
    const filter = h("select", { "aria-label": t("inbox.filter"), on: { change: () => store.choose(filter.value).catch(() => {}) } },
      ...Object.keys(FILTERS).map((each) => h("option", { value: each, selected: each === store.filter }, t(`filter.${each}`))));
    this.#list = document.createElement("conversation-list");
    this.#view = document.createElement("conversation-view");
    this.replaceChildren(
      h("h1", { class: "spoken" }, t("inbox.title")),
      h("section", { class: "side", "aria-label": t("inbox.title") },
        h("div", { class: "find" }, this.#search, store.has("manage") ? filter : null), this.#list),
      this.#view);
    this.#list.connect(store);
    store.load().catch(() => {});
  }

  // `[conversation_id]`
  show([id]) {
    this.classList.toggle("chosen", Boolean(id));
    this.#list.selected = id ?? "";
    this.#store.look(id ?? "");
    this.#view.show(this.#store, id ?? "");
  }

  leave() {
    this.#store.look("");
    this.#view.leave();
  }

  key(key) {
    if (key === "/") this.#search.focus();
    else if ((key === "j" || key === "k") && !this.#view.key(key)) this.#go(this.#list.beside(key === "j" ? 1 : -1));
    else if (key === "u") location.hash = "#/inbox";
    else return this.#view.key(key);
    return true;
  }

  #go(id) {
    if (id) location.hash = `#/inbox/${id}`;
  }
}

customElements.define("inbox-room", InboxRoom);
