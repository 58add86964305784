// Who types in this conversation just now. The stream says it again while they go on, and it is over when they have said it.

import { t } from "../i18n.js";

const SHOWN_MS = 6000;

export class TypingLine extends HTMLElement {
  #store; #typing = new Map(); #listening = new AbortController();

  connect(store, id) {
    this.#store = store;
    this.setAttribute("role", "status");
    const options = { signal: this.#listening.signal };
    store.stream.addEventListener("typing", ({ detail }) => detail.conversation_id === id && detail.user_id !== store.user.user_id && this.#begin(detail.user_id), options);
    store.stream.addEventListener("message", ({ detail }) => detail.conversation_id === id && this.#end(detail.sender), options);
    this.#draw();
  }

  disconnectedCallback() {
    this.#listening.abort();
    for (const timer of this.#typing.values()) clearTimeout(timer);
  }

  #begin(userId) {
    clearTimeout(this.#typing.get(userId));
    this.#typing.set(userId, setTimeout(() => this.#end(userId), SHOWN_MS));
    this.#draw();
  }

  #end(userId) {
    clearTimeout(this.#typing.get(userId));
    if (this.#typing.delete(userId)) this.#draw();
  }

  #draw() {
    const names = [...this.#typing.keys()].map((each) => this.#store.name(each)).join(", ");
    this.hidden = !names;
    this.textContent = names && t("conversation.types", { names });
  }
}

customElements.define("typing-line", TypingLine);
