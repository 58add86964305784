// When people of a conversation may be written to, said before one writes; and what goes while they may not.

import { get } from "../api.js";
import { rules } from "../channels.js";
import { button, calmly, h, words } from "../dom.js";
import { t, whenever } from "../i18n.js";
import { accountFor } from "../templates.js";
import { templateDialog } from "./template-form.js";

const TIMER_MOST_MS = 2 ** 31 - 1;

export class WindowBar extends HTMLElement {
  #store; #id; #acts; #timer = 0; #holds = false; #listening = new AbortController();

  // `acts.template(payload)` sends one; `acts.offered(open)`: from now on `open()` lets somebody choose one, null: none goes there.
  // `acts.hold(isOn)`: whether what is written waits until they write.
  connect(store, id, acts) {
    [this.#store, this.#id, this.#acts] = [store, id, acts];
    this.hidden = true;
    const soon = calmly(() => this.#load().catch(() => {}));
    store.stream.addEventListener("message", ({ detail }) => detail.conversation_id === id && !store.isOurs(detail.sender, store.conversations.get(id)) && soon(), { signal: this.#listening.signal });
    soon();
  }

  disconnectedCallback() {
    this.#listening.abort();
    clearTimeout(this.#timer);
  }

  async #load() {
    const [{ windows }, known] = await Promise.all([get(`/v1/conversations/${this.#id}/windows`), rules()]);
    if (this.#listening.signal.aborted) return;
    const templated = windows.find((each) => known.get(each.channel)?.contents.template === "native");
    this.#acts.offered(templated && this.#acts.template ? () => this.#choose(templated) : null);
    this.#draw(windows, known);
    this.#wake(windows);
  }

  #draw(windows, known) {
    const bound = windows.filter((each) => !each.open || each.open_until);
    this.hidden = !bound.length;
    if (bound.every((each) => each.open)) this.#hold(false);
    this.replaceChildren(...bound.map((each) => (each.open ? this.#open(each) : this.#shut(each, known.get(each.channel)))));
  }

  #open({ recipient, open_until: until }) {
    return h("p", { class: "kind", role: "status" }, t("window.open", { name: this.#store.name(recipient), time: whenever(until) }));
  }

  #shut(window, rule) {
    const hours = Math.round((rule?.limits.window.open_s ?? 0) / 3600);
    const why = window.last_wrote_at ? t("window.shut", { hours, time: whenever(window.last_wrote_at) }) : t("window.never", { hours });
    const goes = rule?.contents.template === "native" && this.#acts.template;
    return h("div", { class: "shut", role: "status" }, h("p", {}, h("strong", {}, words(this.#store.name(window.recipient)), ": ", t("window.is_shut")), " ", why),
      h("p", {}, t(goes ? "window.do.template" : "window.do.wait")),
      goes ? button(t("templates.send_one"), () => this.#choose(window), { class: "primary" }) : null,
      h("label", { class: "tick" }, h("input", { type: "checkbox", checked: this.#holds, on: { change: ({ target }) => this.#hold(target.checked) } }), t("window.hold")));
  }

  #hold(isOn) {
    this.#holds = isOn;
    this.#acts.hold(isOn);
  }

  async #choose({ channel, account }) {
    templateDialog(await accountFor(channel, account), (payload) => this.#acts.template(payload));
  }

  // It is said anew when the next one shuts.
  #wake(windows) {
    clearTimeout(this.#timer);
    const ends = windows.filter((each) => each.open && each.open_until).map((each) => new Date(each.open_until).getTime());
    if (ends.length) this.#timer = setTimeout(() => this.#load().catch(() => {}), Math.min(TIMER_MOST_MS, Math.max(1000, Math.min(...ends) - Date.now() + 500)));
  }
}

customElements.define("window-bar", WindowBar);
