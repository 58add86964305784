// The way of one message: each step with its time, and where it stopped, why, and what to do.

import { get } from "../api.js";
import { content } from "../content.js";
import { advice, because, ticks } from "../deliveries.js";
import { h, outward, words } from "../dom.js";
import { exactly, explained, seconds, t, toTheMs } from "../i18n.js";
import { resending } from "../parts/resend.js";

const SOON_MS = 250;

export class MessageRoom extends HTMLElement {
  #store; #place = []; #timer = 0; #listening = new AbortController();

  connect(store) {
    this.#store = store;
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
    const options = { signal: this.#listening.signal };
    const about = ({ detail }) => detail.message_id === this.#place[1] && this.#soon();
    for (const kind of ["state", "message"]) store.stream.addEventListener(kind, about, options);
    store.stream.addEventListener("position", ({ detail }) => detail.conversation_id === this.#place[0] && this.#soon(), options);
  }

  // `[conversation_id, message_id]`
  show(place) {
    this.#place = place;
    this.replaceChildren(h("p", { class: "empty" }, t("loading")));
    return this.#load();
  }

  leave() {
    this.#listening.abort();
    clearTimeout(this.#timer);
  }

  key(key) {
    if (key !== "u") return false;
    location.hash = `#/inbox/${this.#place[0]}`;
    return true;
  }

  #soon() {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#load();
    }, SOON_MS);
  }

  async #load() {
    const [conversation, message] = this.#place;
    try {
      const found = await get(`/v1/messages/${encodeURIComponent(message)}`, { conversation_id: conversation });
      if (!this.#store.conversations.has(conversation)) await this.#store.refresh(conversation);
      this.#draw(found);
    } catch (problem) {
      this.replaceChildren(h("div", { class: "empty" }, h("p", { role: "alert" }, explained(problem)), h("p", {}, t("message.none.do")), this.#back()));
    }
  }

  #back() {
    return h("a", { href: `#/inbox/${this.#place[0]}` }, t("message.back"));
  }

  #draw(message) {
    const begun = new Date(message.accepted_at).getTime();
    this.replaceChildren(h("div", { class: "page" },
      h("p", {}, this.#back()), h("h1", {}, t("message.title")),
      h("p", {}, ticks(message.status), " ", t(`status.${message.status}`), message.partially_failed ? ` ${t("status.partially")}` : ""),
      h("div", { class: "bubble theirs" }, h("div", { class: "content" }, ...content(message.payload))),
      h("ol", { class: "steps" },
        message.origin ? step("done", t("step.provider", { channel: message.origin.channel }), message.origin.provider_at, 0) : null,
        step("done", t("step.accepted"), message.accepted_at, begun, t("step.accepted.about", { name: message.sender_name || this.#store.name(message.sender) })),
        step("done", t("step.stored"), null, begun, t("step.stored.about", { seq: message.seq })),
        h("li", { class: "step done" }, h("h2", {}, t("step.fanned", { count: message.deliveries.length })),
          message.deliveries.length ? h("ul", { class: "branches" }, ...message.deliveries.map((each) => this.#branch(each, begun))) : h("p", {}, t("step.nobody")))),
      message.deliveries.some((each) => each.status === "FAILED") && this.#store.has("admin") ? h("section", {}, h("p", { class: "kind" }, t("resend.when")), resending(message.message_id, () => this.#soon())) : null,
      this.#details(message)));
  }

  #branch(delivery, begun) {
    const part = delivery.parts ? ` ${t("step.part", { part: delivery.part, parts: delivery.parts })}` : "";
    const isStuck = delivery.status === "FAILED" || (delivery.status === "PENDING" && delivery.attempts > 0);
    return h("li", { class: "branch", data: { state: delivery.status } },
      h("h3", {}, words(this.#store.name(delivery.recipient)), h("span", { class: "badge" }, delivery.channel), part, " ", ticks(delivery.status)),
      delivery.sent_as ? h("p", { class: "kind" }, t("step.sent_as", { kind: delivery.sent_as })) : null,
      h("ol", { class: "steps" },
        ...delivery.history.map((each) => step(each.status === "FAILED" ? "failed" : "done", t(`step.${each.status}`), each.at, begun,
          each.reason ? because(each.reason) : "")),
        this.#next(delivery)),
      delivery.attempts ? h("p", { class: "kind" }, t("step.attempts", { count: delivery.attempts })) : null,
      isStuck ? this.#help(delivery) : null,
      delivery.account_id ? h("p", { class: "kind" }, t("step.account"), " ", h("code", {}, delivery.account_id)) : null,
      delivery.provider_message_id ? h("p", { class: "kind" }, t("step.provider_id"), " ", h("code", {}, delivery.provider_message_id)) : null);
  }

  #next(delivery) {
    if (delivery.status === "PENDING") return step("waiting", t(delivery.attempts ? "step.trying" : "step.waiting"), null, 0);
    if (delivery.status === "SENT" && delivery.channel !== "telegram") return step("waiting", t("step.receipt"), null, 0);
    return null;
  }

  #help({ reason, status }) {
    return h("div", { class: "help" },
      reason ? h("p", {}, h("strong", {}, t("message.why")), " ", because(reason)) : null,
      h("p", {}, h("strong", {}, t("message.do")), " ", reason ? advice(reason) : t(`message.do.${status}`)));
  }

  #details(message) {
    const rows = [["message_id", message.message_id], ["conversation_id", message.conversation_id], ["trace_id", message.trace_id],
      ["provider_id", message.origin?.provider_id]].filter(([, value]) => value);
    return h("details", {}, h("summary", {}, t("message.details")), h("dl", {}, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, h("code", {}, value))])),
      this.#store.links.traces && message.trace_id ? h("p", {}, outward(this.#store.links.traces.replace("{trace_id}", encodeURIComponent(message.trace_id)), t("message.trace"))) : null);
  }
}

// A step of the way; `begun`: from when the time is also told as a distance.
function step(kind, label, at, begun, about = "") {
  const after = at && begun ? new Date(at).getTime() - begun : 0;
  return h("li", { class: `step ${kind}` }, h("span", { class: "label" }, label),
    at ? h("time", { datetime: at, title: exactly(at) }, toTheMs(at)) : null,
    after > 0 ? h("span", { class: "kind" }, t("step.after", { time: seconds(after) })) : null,
    about ? words(about, "p") : null);
}

customElements.define("message-room", MessageRoom);
