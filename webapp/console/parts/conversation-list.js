// The list of conversations: only the rows that are on the screen exist, however many there are.

import { h, outward, words } from "../dom.js";
import { briefly, t } from "../i18n.js";
import { called } from "../channels.js";
import { summary } from "../content.js";

const ROW = 68;
const BESIDE = 6;

export class ConversationList extends HTMLElement {
  #store; #shown = []; #filter = ""; #selected = ""; #rows; #box; #empty;

  connect(store) {
    this.#store = store;
    this.#rows = h("ul", { class: "rows" });
    this.#empty = h("div", { class: "empty" });
    this.#box = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("inbox.list"), on: { scroll: () => this.#draw() } },
      this.#rows, this.#empty);
    this.replaceChildren(this.#box);
    store.addEventListener("list", () => this.update());
    new ResizeObserver(() => this.#draw()).observe(this.#box);
    this.update();
  }

  set filter(given) {
    this.#filter = given.trim().toLocaleLowerCase();
    this.#box.scrollTop = 0;
    this.update();
  }

  set selected(id) {
    this.#selected = id;
    const place = this.#shown.findIndex((each) => each.conversation_id === id);
    if (place >= 0) this.#show(place);
    this.#draw();
  }

  // The conversation that stands so many rows from the chosen one.
  beside(step) {
    const place = this.#shown.findIndex((each) => each.conversation_id === this.#selected);
    return this.#shown[place < 0 ? 0 : Math.max(0, Math.min(this.#shown.length - 1, place + step))]?.conversation_id;
  }

  update() {
    const matches = (each) => !this.#filter || this.#words(each).includes(this.#filter);
    this.#shown = this.#store.list.filter(matches);
    this.#draw();
  }

  #words(conversation) {
    const people = conversation.members.map((each) => `${each.display_name ?? ""} ${each.user_id}`);
    const said = this.#store.previews.get(conversation.conversation_id);
    return [this.#store.title(conversation), ...people, said ? summary(said) : ""].join(" ").toLocaleLowerCase();
  }

  #show(place) {
    const [top, bottom] = [place * ROW, (place + 1) * ROW];
    if (top < this.#box.scrollTop) this.#box.scrollTop = top;
    else if (bottom > this.#box.scrollTop + this.#box.clientHeight) this.#box.scrollTop = bottom - this.#box.clientHeight;
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.#box.scrollTop / ROW) - BESIDE);
    const last = Math.min(this.#shown.length, Math.ceil((this.#box.scrollTop + this.#box.clientHeight) / ROW) + BESIDE);
    this.#rows.style.height = `${this.#shown.length * ROW}px`;
    const focused = this.#rows.contains(document.activeElement) ? document.activeElement.dataset.id : "";
    this.#rows.replaceChildren(...this.#shown.slice(first, last).map((each, place) => this.#row(each, first + place)));
    if (focused) this.#rows.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    this.#empty.hidden = this.#shown.length > 0;
    if (!this.#shown.length) this.#empty.replaceChildren(...this.#nothing());
    if (last >= this.#shown.length - BESIDE && this.#store.hasMore) this.#store.more().catch(() => {});
  }

  #nothing() {
    if (!this.#store.loaded) return [h("p", {}, t("loading"))];
    if (this.#filter) return [h("p", {}, t("inbox.nobody_found", { words: this.#filter })), h("p", {}, t("inbox.nobody_found.do"))];
    if (this.#store.filter !== "all") return [h("p", {}, t("inbox.none_of_these")), h("p", {}, t("inbox.none_of_these.do"))];
    if (!this.#store.has("manage")) return [h("p", {}, t("inbox.empty")), h("p", {}, t("inbox.empty.member"))];
    const { phones } = this.#store.links;
    return [h("p", {}, t("inbox.empty")), h("p", {}, t("inbox.empty.do")), ...(phones ? [h("p", {}, t("inbox.empty.phones")), h("p", {}, outward(phones, t("inbox.phones")))] : [])];
  }

  // The newest words, and whether they are ours.
  #said(message, conversation) {
    const said = summary(message);
    return this.#store.isOurs(message.sender, conversation) && message.visibility !== "internal" ? t("inbox.ours", { words: said }) : said;
  }

  #row(conversation, place) {
    const id = conversation.conversation_id;
    this.#store.preview(id);
    const said = this.#store.previews.get(id);
    const fresh = this.#store.fresh.get(id) ?? 0;
    const channel = this.#store.channel(conversation);
    const row = h("li", {},
      h("a", { href: `#/inbox/${id}`, class: "row", data: { id }, "aria-current": id === this.#selected ? "true" : null },
        h("span", { class: "avatar", "aria-hidden": "true", data: { channel: channel || "own" } }, initial(this.#store.title(conversation))),
        h("span", { class: "top" }, words(this.#store.title(conversation), "span", { class: "title" }),
          conversation.last_activity_at ? h("time", { datetime: conversation.last_activity_at }, briefly(conversation.last_activity_at)) : null),
        h("span", { class: "bottom" }, channel ? h("span", { class: "badge" }, called(channel)) : null,
          words(said ? this.#said(said, conversation) : "", "span", { class: "preview" }),
          ["closed", "snoozed"].includes(conversation.state) ? h("span", { class: "badge" }, t(`handling.${conversation.state}`)) : null,
          fresh ? h("span", { class: "fresh" }, h("span", { class: "spoken" }, t("inbox.fresh")), fresh > 99 ? "99+" : String(fresh)) : null)));
    row.style.transform = `translateY(${place * ROW}px)`;
    return row;
  }
}

function initial(title) {
  return [...title.replace(/^[^\p{L}\p{N}]+/u, "")][0]?.toLocaleUpperCase() ?? "?";
}

customElements.define("conversation-list", ConversationList);
