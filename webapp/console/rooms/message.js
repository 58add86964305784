// The way of one message, drawn: for each recipient the stops with their times, where it stands, why, and what to do.

import { get } from "../api.js";
import { called, rules } from "../channels.js";
import { content } from "../content.js";
import { advice, because, ticks } from "../deliveries.js";
import { h, outward, words } from "../dom.js";
import { exactly, explained, seconds, t, toTheMs, toTheSecond, whenever } from "../i18n.js";
import { resending } from "../parts/resend.js";

const SOON_MS = 250;
// Stops at the provider, in their order.
const STOPS = ["SENT", "DELIVERED", "READ"];
const SIGNS = { done: "✓", waiting: "…", ahead: "", untold: "?", failed: "!", ended: "⊘" };

export class MessageRoom extends HTMLElement {
  #store; #rules = new Map(); #place = []; #timer = 0; #listening = new AbortController();

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
      const [found, known] = await Promise.all([get(`/v1/messages/${encodeURIComponent(message)}`, { conversation_id: conversation }), rules()]);
      this.#rules = known;
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
      h("div", { class: "bubble theirs" }, h("p", { class: "kind" }, t("step.accepted.about", { name: this.#store.isInbox(message.sender) ? t("team.speaks") : message.sender_name || this.#store.name(message.sender) })), h("div", { class: "content" }, ...content(message.payload))),
      message.deliveries.length ? h("ul", { class: "branches" }, ...message.deliveries.map((each) => this.#branch(each, message, begun)))
        : h("section", { class: "branch" }, track(this.#inHouse(message)), h("p", {}, t("step.nobody"))),
      message.deliveries.some((each) => each.status === "FAILED") && this.#store.has("admin") ? h("section", {}, h("p", { class: "kind" }, t("resend.when")), resending(message.message_id, () => this.#soon())) : null,
      this.#details(message)));
  }

  // The stops that all recipients have in common.
  #inHouse({ origin, accepted_at: acceptedAt, seq }) {
    return [
      ...(origin ? [{ kind: "done", label: t("step.provider", { channel: called(origin.channel) }), at: origin.provider_at }] : []),
      { kind: "done", label: t("stop.accepted"), at: acceptedAt, title: t("step.accepted") },
      { kind: "done", label: t("step.stored"), title: t("step.stored.about", { seq }) },
    ];
  }

  #branch(delivery, message, begun) {
    const part = delivery.parts ? ` ${t("step.part", { part: delivery.part, parts: delivery.parts })}` : "";
    const tells = this.#rules.get(delivery.channel)?.limits.receipts ?? STOPS;
    return h("li", { class: "branch", data: { state: delivery.status } },
      h("h2", {}, words(this.#store.name(delivery.recipient)), h("span", { class: "badge" }, called(delivery.channel)), part),
      track([...this.#inHouse(message), ...stops(delivery, tells, begun)]),
      this.#stands(delivery, tells),
      delivery.sent_as ? h("p", { class: "kind" }, t("step.sent_as", { kind: delivery.sent_as })) : null,
      h("details", {}, h("summary", {}, t("message.steps")),
        h("ol", { class: "steps" }, ...delivery.history.map((each) => step(each, begun))),
        h("p", { class: "kind" }, t("step.attempts", { count: delivery.attempts })),
        delivery.account_id ? h("p", { class: "kind" }, t("step.account"), " ", h("code", {}, delivery.account_id)) : null,
        delivery.provider_message_id ? h("p", { class: "kind" }, t("step.provider_id"), " ", h("code", {}, delivery.provider_message_id)) : null));
  }

  // Where it stands, why, and what to do.
  #stands(delivery, tells) {
    const { status, reason, attempts, expires_at: until } = delivery;
    const name = this.#store.name(delivery.recipient);
    const isTroubled = status === "FAILED" || (status === "PENDING" && attempts > 0 && reason);
    const waits = status === "PENDING" ? (attempts ? "trying" : "waiting") : "";
    const isLast = !STOPS.slice(STOPS.indexOf(status) + 1).some((each) => tells.includes(each.toLowerCase()));
    const said = waits || (isLast && ["SENT", "DELIVERED"].includes(status) ? `${status}.last` : status);
    return h("div", { class: isTroubled ? "help" : "stands" },
      words(t(`stands.${said}`, { name, channel: called(delivery.channel), count: attempts }), "p"),
      waits && until ? h("p", {}, t("stands.until", { time: whenever(until) })) : null,
      reason ? h("p", {}, h("strong", {}, t("message.why")), " ", because(reason)) : null,
      isTroubled ? h("p", {}, h("strong", {}, t("message.do")), " ", reason ? advice(reason, delivery.advice) : t(`message.do.${status}`)) : null);
  }

  #details(message) {
    const rows = [["message_id", message.message_id], ["conversation_id", message.conversation_id], ["trace_id", message.trace_id],
      ["provider_id", message.origin?.provider_id]].filter(([, value]) => value);
    return h("details", {}, h("summary", {}, t("message.details")), h("dl", {}, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, h("code", {}, value))])),
      this.#store.links.traces && message.trace_id ? h("p", {}, outward(this.#store.links.traces.replace("{trace_id}", encodeURIComponent(message.trace_id)), t("message.trace"))) : null);
  }
}

// The stops of a delivery after those in house: what it has reached, where it waits or ended, and what its channel never tells.
function stops({ status, history, reason }, tells, begun) {
  const facts = new Map(history.map((each) => [each.status, each.at]));
  const reached = STOPS.findLastIndex((each) => facts.has(each));
  const ended = { FAILED: "failed", CANCELLED: "ended" }[status];
  let isNext = true;
  return STOPS.map((each, place) => {
    const label = t(`stop.${each}`);
    if (place <= reached) return { kind: "done", label, at: facts.get(each), begun };
    if (!isNext) return { kind: "ahead", label };
    if (ended) {
      isNext = false;
      return { kind: ended, label: t(`step.${status}`), at: facts.get(status), begun, title: reason ? because(reason) : "" };
    }
    if (each !== "SENT" && !tells.includes(each.toLowerCase())) return { kind: "untold", label };
    isNext = false;
    return { kind: "waiting", label };
  });
}

// Stops, drawn as one line. `at`: when it was; `begun`: from when that is also told as a distance.
function track(shown) {
  return h("ol", { class: "track" }, ...shown.map(({ kind, label, at, begun, title }) => h("li", { class: `stop ${kind}`, title },
    h("span", { class: "dot", "aria-hidden": "true" }, SIGNS[kind]), h("span", { class: "label" }, label),
    kind === "done" ? null : h("span", { class: "kind" }, t(`stop.is.${kind}`)),
    at ? h("time", { datetime: at, title: exactly(at) }, toTheSecond(at)) : null,
    at && begun ? h("span", { class: "kind" }, t("stop.after", { time: seconds(Math.max(0, new Date(at).getTime() - begun)) })) : null)));
}

// One fact of a delivery, to the millisecond.
function step({ status, at, reason }, begun) {
  return h("li", { class: `step ${status === "FAILED" ? "failed" : "done"}` }, h("span", { class: "label" }, t(`step.${status}`)),
    h("time", { datetime: at, title: exactly(at) }, toTheMs(at)),
    h("span", { class: "kind" }, t("step.after", { time: seconds(Math.max(0, new Date(at).getTime() - begun)) })),
    reason ? words(because(reason), "p") : null);
}

customElements.define("message-room", MessageRoom);
