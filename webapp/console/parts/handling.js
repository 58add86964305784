// How a conversation is handled: whose it is, whether it is open, who answers; and what changes that. What was changed can be undone.

import { button, h, words } from "../dom.js";
import { explained, exactly, t } from "../i18n.js";
import { choice, field, pieces } from "./forms.js";
import { offer } from "./undo.js";

const HOUR_MS = 3600e3;
const SNOOZES = { "1h": 1, "4h": 4, "1d": 24, "7d": 168 };
const PRIORITIES = ["low", "normal", "high", "urgent"];
const HANDLERS = ["bot", "human", "nobody"];

export class HandlingBar extends HTMLElement {
  #store; #id; #seen; #listening = new AbortController(); #last = Promise.resolve();

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
    const { state, assignee } = this.#now;
    if (key === "c") state === "open" ? this.#close() : this.#change({ state: "open" }, "opened");
    else if (key === "a") this.#assign(assignee === this.#me ? null : this.#me);
    else if (key === "s" && state === "open") this.#snooze("1h");
    else return false;
    return true;
  }

  get #now() {
    return this.#store.conversations.get(this.#id) ?? {};
  }

  get #me() {
    return this.#store.user.user_id;
  }

  #draw() {
    const { state, assignee, snoozed_until: until, labels = [], priority, handler } = this.#now;
    const isMine = assignee === this.#me;
    const isOpen = this.querySelector("details")?.open;
    const snooze = h("select", { "aria-label": t("handling.snooze"), on: { change: () => this.#snooze(snooze.value) } },
      choice("", t("handling.snooze"), ""), ...Object.keys(SNOOZES).map((each) => choice(each, t(`snooze.${each}`))));
    this.replaceChildren(
      h("span", { class: "badge", role: "status", title: until ? exactly(until) : null }, t(state === "open" ? "handling.is_open" : `handling.${state}`)),
      assignee ? h("span", { class: "badge" }, t("handling.of"), " ", words(isMine ? t("handling.me") : this.#store.name(assignee), "bdi")) : "",
      ["high", "urgent"].includes(priority) ? h("span", { class: "badge urgent" }, t(`priority.${priority}`)) : "",
      handler && handler !== "nobody" ? h("span", { class: "badge" }, t(`handler.${handler}.is`)) : "",
      ...labels.map((each) => words(each, "span", { class: "badge" })),
      button(t(isMine ? "handling.leave" : "handling.take"), () => this.#assign(isMine ? null : this.#me)),
      state === "open" ? snooze : "",
      state === "open" ? button(t("handling.close"), () => this.#close()) : button(t("handling.open"), () => this.#change({ state: "open" }, "opened")),
      this.#more(isOpen));
  }

  #more(isOpen) {
    const { assignee, priority, handler, labels = [] } = this.#now;
    const whose = h("input", { value: assignee ?? "", maxlength: "64", list: "whose", on: { change: () => this.#assign(whose.value.trim() || null) } });
    const urgency = h("select", { on: { change: () => this.#change({ priority: urgency.value }, "changed") } }, ...PRIORITIES.map((each) => choice(each, t(`priority.${each}`), priority ?? "normal")));
    const answers = h("select", { on: { change: () => this.#change({ handler: answers.value }, `handler.${answers.value}`) } }, ...HANDLERS.map((each) => choice(each, t(`handler.${each}`), handler ?? "nobody")));
    const marked = h("input", { value: labels.join(" "), on: { change: () => this.#change({ labels: pieces(marked.value) }, "changed") } });
    return h("details", { class: "more", open: Boolean(isOpen), on: { keydown: (event) => event.key === "Escape" && this.#shutMore(event) } },
      h("summary", {}, t("handling.more")),
      h("div", { class: "sheet" }, field(t("handling.of"), whose, t("handling.of.about")), field(t("handling.priority"), urgency),
        field(t("handling.handler"), answers, t("handling.handler.about")), field(t("handling.labels"), marked, t("handling.labels.about")),
        h("datalist", { id: "whose" }, ...this.#team().map((each) => choice(each.user_id, each.display_name ?? "")))));
  }

  // Who is known to answer: service clients, and we.
  #team() {
    return [this.#store.user, ...[...this.#store.names.values()].filter((each) => each.kind === "client" && each.user_id !== this.#me)];
  }

  #shutMore(event) {
    event.stopPropagation();
    const more = this.querySelector("details");
    more.open = false;
    more.querySelector("summary").focus();
  }

  #assign(who) {
    return this.#change({ assignee: who }, who ? "assigned" : "given_back");
  }

  #close() {
    return this.#change(this.#shut("closed"), "closed");
  }

  #snooze(how) {
    if (!SNOOZES[how]) return undefined;
    return this.#change({ ...this.#shut("snoozed"), snoozed_until: new Date(Date.now() + SNOOZES[how] * HOUR_MS).toISOString() }, "snoozed");
  }

  #shut(state) {
    const seen = this.#seen();
    return seen ? { state, seen_up_to: seen } : { state };
  }

  // One after the other: what was chosen last is what stands.
  async #change(changes, did) {
    let before;
    const work = this.#last.then(() => {
      before = { ...this.#now };
      return this.#store.handle(this.#id, changes);
    });
    this.#last = work.catch(() => null);
    try {
      await offer(t(`done.${did}`), () => this.#undo(changes, before), work);
    } catch (problem) {
      this.append(h("span", { class: "trouble", role: "alert" }, explained(problem)));
    }
  }

  // What it was before, unless somebody has changed it since.
  async #undo(changes, before) {
    const was = Object.fromEntries(Object.keys(changes).filter((name) => name in KEPT).map((name) => [name, before[name] || KEPT[name]]));
    if (was.state !== "snoozed") delete was.snoozed_until;
    else was.snoozed_until = before.snoozed_until;
    await this.#store.handle(this.#id, { ...was, handling_version: this.#now.handling_version });
  }
}

// What stands where nothing was said.
const KEPT = { state: "open", snoozed_until: null, assignee: null, priority: "normal", labels: [], handler: "nobody" };

customElements.define("handling-bar", HandlingBar);
