// One broadcast: start, pause, resume, stop; how far it has come, live; and what became of each contact's turn.

import { call, get } from "../api.js";
import { content } from "../content.js";
import { because } from "../deliveries.js";
import { button, calmly, h, svg, words } from "../dom.js";
import { explained, known, t, whenever } from "../i18n.js";
import { choice, sure, tried } from "./forms.js";

const LOOK_MS = 3000;
const PAGE = 100;
const OUTCOMES = ["accepted", "refused", "skipped", "waiting"];
const WITHDRAWN = "withdrawn";  // Of those that were accepted.
const BAR = { width: 400, height: 14 };

export const counted = ({ counts }) => OUTCOMES.reduce((sum, each) => sum + (counts[each] ?? 0), 0);

export function state({ state: now }) {
  return h("span", { class: `light ${["running", "done"].includes(now) ? "good" : now === "stopped" ? "bad" : ""}` }, known(`broadcasts.state.${now}`) ? t(`broadcasts.state.${now}`) : now);
}

// To whom: those with a tag, or a list.
export function whom({ tag }, kind = "span", properties = {}) {
  return words(tag || t("broadcasts.to.list"), kind, properties);
}

// Those who had their turn, by what came of it, as one bar.
export function progress(broadcast) {
  const all = counted(broadcast);
  if (!all) return "";
  const said = OUTCOMES.filter((each) => broadcast.counts[each]).map((each) => `${t(`broadcasts.${each}`)}: ${broadcast.counts[each]}`).join(", ");
  let at = 0;
  const pieces = OUTCOMES.map((each) => {
    const width = BAR.width * (broadcast.counts[each] ?? 0) / all;
    at += width;
    return width ? svg("rect", { class: each, x: at - width, y: 0, width, height: BAR.height }) : null;
  });
  return svg("svg", { class: "share", viewBox: `0 0 ${BAR.width} ${BAR.height}`, preserveAspectRatio: "none", role: "img", "aria-label": said }, pieces);
}

export class OneBroadcast extends HTMLElement {
  #id; #store; #about; #told; #results; #rows; #more; #only; #next = ""; #timer = 0; #now = null; #ended = false; #listening = new AbortController();

  async connect(store, id) {
    [this.#store, this.#id] = [store, id];
    [this.#about, this.#told, this.#results] = [h("div", {}), h("div", {}), h("div", {})];
    this.replaceChildren(h("div", { class: "page" }, h("p", {}, h("a", { href: "#/broadcasts" }, t("broadcasts.back"))), this.#told, this.#about, this.#results));
    const soon = calmly(() => !this.#ended && this.#load().catch(() => {}));
    store.stream.addEventListener("broadcast", ({ detail }) => detail.broadcast_id === id && soon(), { signal: this.#listening.signal });
    if (await tried(this.#told, () => this.#load())) this.#build();
  }

  leave() {
    this.#ended = true;
    this.#listening.abort();
    clearTimeout(this.#timer);
  }

  get #path() {
    return `/v1/broadcasts/${encodeURIComponent(this.#id)}`;
  }

  async #load() {
    this.#draw(await get(this.#path));
  }

  // Who does not see all conversations is not told of it by the stream: so while it runs it is looked at too.
  #again() {
    clearTimeout(this.#timer);
    if (this.#ended || this.#now.state !== "running") return;
    this.#timer = setTimeout(() => this.#load().catch(() => this.#again()), LOOK_MS);
  }

  #draw(broadcast) {
    const before = this.#now;
    this.#now = broadcast;
    if (JSON.stringify(before) !== JSON.stringify(broadcast)) this.#show(broadcast);
    if (before && before.state !== broadcast.state) this.#begin();
    this.#again();
  }

  #show(broadcast) {
    const focused = this.#about.contains(document.activeElement) ? document.activeElement.dataset.act : "";
    const costs = broadcast.state === "draft" ? h("div", {}) : "";
    if (costs) this.#estimate(costs);
    const times = ["created_at", "started_at", "ended_at"].filter((each) => broadcast[each]);
    this.#about.replaceChildren(words(broadcast.name || t("broadcasts.unnamed"), "h1", { class: "long" }), h("p", {}, state(broadcast)),
      known(`broadcasts.state.${broadcast.state}.about`) ? h("p", { class: "kind" }, t(`broadcasts.state.${broadcast.state}.about`)) : "",
      broadcast.waits ? h("p", { class: "kind" }, t("broadcasts.waits", { time: whenever(broadcast.waits.until) })) : "",
      h("div", { class: "choices" }, ...this.#acts(broadcast)),
      costs,
      h("section", { class: "sheet" }, progress(broadcast), h("ul", { class: "numbers" }, ...OUTCOMES.map((each) => h("li", { data: { outcome: each } }, h("strong", {}, String(broadcast.counts[each] ?? 0)), " ", t(`broadcasts.${each}`))),
        broadcast.counts[WITHDRAWN] ? h("li", {}, h("strong", {}, String(broadcast.counts[WITHDRAWN])), " ", t("broadcasts.withdrawn")) : "")),
      h("div", { class: "bubble ours preview-of" }, h("article", { "aria-label": t("templates.preview") }, h("div", { class: "content" }, ...content(broadcast.payload)))),
      h("dl", { class: "facts" }, h("dt", {}, t("broadcasts.channel")), h("dd", {}, broadcast.channel), h("dt", {}, t("broadcasts.whom")), whom(broadcast.audience, "dd"),
        h("dt", {}, t("broadcasts.rate")), h("dd", {}, String(broadcast.rate)),
        ...(broadcast.quiet_hours ? [h("dt", {}, t("broadcasts.quiet")), h("dd", {}, `${broadcast.quiet_hours.from} – ${broadcast.quiet_hours.until} ${broadcast.quiet_hours.time_zone}`)] : []), h("dt", {}, t("broadcasts.by")), words(broadcast.created_by, "dd"),
        ...times.flatMap((each) => [h("dt", {}, t(`broadcasts.${each}`)), h("dd", {}, whenever(broadcast[each]))])));
    if (focused) (this.#about.querySelector(`[data-act=${focused}]`) ?? this.#about.querySelector("button"))?.focus();
  }

  // Of a draft: to how many it would go, and what that would cost by the operator's prices.
  async #estimate(place) {
    await tried(place, async () => {
      const { messages, passed_over: left, unpriced, complete, totals, daily_budget: day } = await get(`${this.#path}/estimate`);
      place.replaceChildren(h("p", {}, t(complete ? "broadcasts.estimate" : "broadcasts.estimate.first", { messages, left })),
        totals.length ? h("p", {}, h("strong", {}, totals.map((each) => `${each.amount} ${each.currency}`).join(" + ")), " ", h("span", { class: "kind" }, t("broadcasts.estimate.about"))) : "",
        unpriced ? h("p", { class: "kind" }, t("broadcasts.estimate.unpriced", { count: unpriced })) : "",
        day ? h("p", { class: "kind" }, t("broadcasts.estimate.day", { left: day.left, most: day.people_per_day }), day.waits_days ? ` ${t("broadcasts.estimate.wait", { count: day.waits_days })}` : "") : "");
    });
  }

  #acts({ state: now }) {
    const act = (name, go, kind = "") => button(t(`broadcasts.${name}`), go, { class: kind, data: { act: name } });
    return [
      now === "draft" ? act("start", () => this.#start(), "primary") : "",
      now === "running" ? act("pause", () => this.#turn("pause"), "primary") : "",
      now === "paused" ? act("resume", () => this.#turn("start"), "primary") : "",
      ["draft", "running", "paused"].includes(now) ? act("stop", () => this.#stop(), "danger") : "",
    ];
  }

  async #start() {
    const { audience, channel } = this.#now;
    const about = audience.tag ? t("broadcasts.start.about", { tag: audience.tag, channel }) : t("broadcasts.start.list", { channel });
    if (await sure(t("broadcasts.start"), about, t("broadcasts.start"), { danger: false })) await this.#turn("start");
  }

  async #stop() {
    if (await sure(t("broadcasts.stop"), t("broadcasts.stop.about"), t("broadcasts.stop"))) await this.#turn("stop");
  }

  #turn(how) {
    return tried(this.#told, async () => this.#draw(await call("POST", `${this.#path}/${how}`)));
  }

  // What became of each turn.

  #build() {
    this.#only = h("select", { on: { change: () => this.#begin() } }, choice("", t("broadcasts.results.all")), ...OUTCOMES.map((each) => choice(each, t(`broadcasts.${each}`))));
    this.#rows = h("ul", { class: "places" });
    this.#more = button(t("more"), () => this.#page(), { hidden: true });
    this.#results.replaceChildren(h("h2", {}, t("broadcasts.results")), h("p", { class: "kind" }, t("broadcasts.results.about")),
      h("div", { class: "filters" }, h("label", { class: "field" }, h("span", { class: "label" }, t("broadcasts.results.which")), this.#only), button(t("refresh"), () => this.#begin())), this.#rows, this.#more);
    return this.#begin();
  }

  #begin() {
    if (!this.#rows) return undefined;
    this.#next = "";
    this.#rows.replaceChildren();
    return this.#page();
  }

  // A page may have none of those that are wanted: then the next one is read too.
  async #page() {
    try {
      let fitting = [];
      do {
        const found = await get(`${this.#path}/results`, { limit: PAGE, after: this.#next || undefined });
        this.#next = found.next ?? "";
        fitting = found.results.filter((each) => !this.#only.value || each.outcome === this.#only.value);
      } while (!fitting.length && this.#next && !this.#ended);
      this.#more.hidden = !this.#next;
      this.#rows.append(...fitting.map((each) => this.#result(each)));
      if (!this.#rows.children.length) this.#rows.append(h("li", { class: "empty" }, h("p", {}, t("broadcasts.results.none"))));
    } catch (problem) {
      this.#rows.append(h("li", { class: "trouble", role: "alert" }, explained(problem)));
    }
  }

  #result({ contact_id: who, outcome, reason, address, conversation_id: conversation, message_id: message, due_at: due }) {
    const why = reason && (known(`broadcasts.reason.${reason}`) ? t(`broadcasts.reason.${reason}`) : known(`problem.${reason}`) ? t(`problem.${reason}`) : because(reason));
    return h("li", { class: "place", data: { outcome } }, h("a", { href: `#/contacts/${encodeURIComponent(who)}` }, words(this.#store.name(who))),
      h("span", { class: `light ${outcome === "accepted" ? "good" : "bad"}` }, t(`broadcasts.${outcome}`)), address ? h("code", {}, address) : "",
      message ? h("a", { href: `#/message/${conversation}/${message}` }, t("letters.way")) : "", why ? words(why, "span", { class: "kind" }) : "",
      due ? h("span", { class: "kind" }, t("broadcasts.due", { time: whenever(due) })) : "");
  }
}

customElements.define("one-broadcast", OneBroadcast);
