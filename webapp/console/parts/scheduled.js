// What is to be sent later: when, what, another time for it, and calling it off. Of one conversation, or of all.

import { all, call, get } from "../api.js";
import { summary } from "../content.js";
import { because } from "../deliveries.js";
import { button, calmly, h, words } from "../dom.js";
import { exactly, explained, known, t, whenever } from "../i18n.js";
import { field, nothing, sure, tried } from "./forms.js";

const HOUR_MS = 3600e3;
const MORNING = 9;
const TIMER_MOST_MS = 2 ** 31 - 1;
const SENT_MS = 3000;  // From the time that was chosen until one may look what became of it.

const PATH = "/v1/scheduled-messages";

// A time as a field for times has it: of the reader's zone.
const local = (at) => new Date(at.getTime() - at.getTimezoneOffset() * 60e3).toISOString().slice(0, 16);

// Tomorrow, or the next Monday, in the morning.
function morning(isMonday) {
  const at = new Date();
  at.setDate(at.getDate() + (isMonday ? (8 - at.getDay()) % 7 || 7 : 1));
  at.setHours(MORNING, 0, 0, 0);
  return at;
}

// Ask when, from `at` on; null where somebody thought better of it. `body`: what else is asked.
export async function askWhen(title, yes, at = morning(false), body = []) {
  const time = h("input", { type: "datetime-local", required: true, value: local(at), min: local(new Date()) });
  const offers = [["hour", () => new Date(Date.now() + HOUR_MS)], ["tomorrow", () => morning(false)], ["monday", () => morning(true)]];
  const said = await sure(title, t("later.about"), yes, { danger: false, body: [
    h("div", { class: "choices" }, ...offers.map(([name, when]) => button(t(`later.${name}`), () => { time.value = local(when()); }))), field(t("later.when"), time), ...body] });
  return said && time.value ? new Date(time.value).toISOString() : null;
}

export class ScheduledList extends HTMLElement {
  #store; #id; #waiting = []; #refused = new Map(); #told; #rows; #timer = 0; #listening = new AbortController();

  // `id`: of the conversation; "" for all.
  connect(store, id = "") {
    [this.#store, this.#id] = [store, id];
    [this.#told, this.#rows] = [h("div", {}), h("ul", { class: "places" })];
    this.hidden = Boolean(id);
    this.replaceChildren(this.#told, this.#rows);
    const soon = calmly(() => this.load());
    const options = { signal: this.#listening.signal };
    store.stream.addEventListener("scheduled", ({ detail }) => (!id || detail.conversation_id === id) && soon(), options);
    store.stream.addEventListener("message", ({ detail }) => this.#waiting.some((each) => each.message_id === detail.message_id) && soon(), options);
    return this.load();
  }

  disconnectedCallback() {
    this.#listening.abort();
    clearTimeout(this.#timer);
  }

  async load() {
    try {
      const found = await (this.#id ? get(PATH, { conversation_id: this.#id, limit: 100 }).then((page) => page.scheduled_messages) : all(PATH, "scheduled_messages"));
      const gone = this.#waiting.filter((each) => !found.some((one) => one.message_id === each.message_id));
      this.#waiting = found;
      for (const each of await Promise.all(gone.map((one) => get(`${PATH}/${one.message_id}`).catch(() => null)))) {
        if (each?.state === "rejected") this.#refused.set(each.message_id, each);
      }
      if (!this.#listening.signal.aborted) this.#draw();
    } catch (problem) {
      this.hidden = false;
      this.#told.replaceChildren(h("p", { class: "trouble", role: "alert" }, explained(problem)));
    }
  }

  #draw() {
    const shown = [...this.#refused.values(), ...this.#waiting];
    this.hidden = Boolean(this.#id) && !shown.length;
    this.#rows.replaceChildren(...shown.map((each) => this.#row(each)));
    if (!shown.length) this.#rows.append(nothing("scheduled.empty"));
    clearTimeout(this.#timer);
    if (this.#waiting.length) this.#timer = setTimeout(() => this.load(), Math.min(TIMER_MOST_MS, Math.max(SENT_MS, new Date(this.#waiting[0].send_at) - Date.now() + SENT_MS)));
  }

  #row(message) {
    const { message_id: id, conversation_id: home, state, send_at: at, reason } = message;
    const there = this.#store.conversations.get(home);
    return h("li", { class: "place scheduled" },
      h("span", {}, h("span", { "aria-hidden": "true" }, "◷ "), h("time", { datetime: at, title: exactly(at) }, whenever(at))), words(summary(message), "strong"),
      this.#id ? "" : h("a", { href: `#/inbox/${home}` }, there ? words(this.#store.title(there)) : t("webhooks.conversation")),
      state === "rejected" ? h("span", { class: "trouble" }, t("scheduled.refused"), " ", known(`problem.${reason}`) ? t(`problem.${reason}`) : because(reason)) : "",
      state === "rejected" ? button(t("scheduled.seen"), () => { this.#refused.delete(id); this.#draw(); })
        : h("span", { class: "choices" }, button(t("scheduled.change"), () => this.#change(message)), button(t("scheduled.cancel"), () => this.#cancel(message))));
  }

  async #change({ message_id: id, payload, send_at: before }) {
    const text = payload.type === "text" ? h("textarea", { rows: "3", maxlength: "4096", dir: "auto" }, payload.text) : null;
    const at = await askWhen(t("scheduled.change"), t("save"), new Date(before), text ? [field(t("scheduled.words"), text)] : []);
    if (!at) return;
    const said = text?.value.trim();
    await tried(this.#told, () => call("PATCH", `${PATH}/${id}`, { send_at: at, ...(said && said !== payload.text ? { payload: { ...payload, text: said } } : {}) }));
    await this.load();
  }

  async #cancel({ message_id: id }) {
    if (!await sure(t("scheduled.cancel"), t("scheduled.cancel.about"), t("scheduled.cancel"))) return;
    await tried(this.#told, () => call("DELETE", `${PATH}/${id}`));
    await this.load();
  }
}

customElements.define("scheduled-list", ScheduledList);
