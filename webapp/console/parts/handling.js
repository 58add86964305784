// How a conversation is handled: whose it is, and whether it is open; and what changes that.

import { button, h, words } from "../dom.js";
import { explained, exactly, t } from "../i18n.js";

const HOUR_MS = 3600e3;

export class HandlingBar extends HTMLElement {
  #store; #id; #seen; #listening = new AbortController();

  // `seen()`: the seq of the newest message on the screen: what crosses with a closing opens it again.
  connect(store, id, seen) {
    [this.#store, this.#id, this.#seen] = [store, id, seen];
    store.addEventListener("conversation", ({ detail }) => detail === id && this.#draw(), { signal: this.#listening.signal });
    this.#draw();
  }

  disconnectedCallback() {
    this.#listening.abort();
  }

  key(key) {
    const { state } = this.#store.conversations.get(this.#id) ?? {};
    if (key === "c") this.#change(state === "open" ? this.#shut("closed") : { state: "open" });
    else if (key === "a") this.#change({ assignee: this.#store.user.user_id });
    else return false;
    return true;
  }

  #draw() {
    const { state, assignee, snoozed_until: until, labels = [] } = this.#store.conversations.get(this.#id) ?? {};
    const me = this.#store.user.user_id;
    const isMine = assignee === me;
    const later = () => this.#change({ ...this.#shut("snoozed"), snoozed_until: new Date(Date.now() + HOUR_MS).toISOString() });
    this.replaceChildren(
      h("span", { class: "badge", role: "status", title: until ? exactly(until) : null }, t(state === "open" ? "handling.is_open" : `handling.${state}`)),
      assignee ? h("span", { class: "badge" }, t("handling.of"), " ", words(isMine ? t("handling.me") : this.#store.name(assignee), "bdi")) : "",
      ...labels.map((each) => words(each, "span", { class: "badge" })),
      button(t(isMine ? "handling.leave" : "handling.take"), () => this.#change({ assignee: isMine ? null : me })),
      state === "open" ? button(t("handling.snooze"), later) : "",
      state === "open" ? button(t("handling.close"), () => this.#change(this.#shut("closed"))) : button(t("handling.open"), () => this.#change({ state: "open" })));
  }

  #shut(state) {
    const seen = this.#seen();
    return seen ? { state, seen_up_to: seen } : { state };
  }

  async #change(changes) {
    try {
      await this.#store.handle(this.#id, changes);
    } catch (problem) {
      this.append(h("span", { class: "trouble", role: "alert" }, explained(problem)));
    }
  }
}

customElements.define("handling-bar", HandlingBar);
