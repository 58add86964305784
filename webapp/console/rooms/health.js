// Health: whether the service answers and how quickly, and what passes by on this page's own stream, drawn.

import { get } from "../api.js";
import { calmly, h, svg } from "../dom.js";
import { explained, seconds, t } from "../i18n.js";

const SECONDS = 120;
const LOOK_MS = 10000;
const CHART = { width: 480, height: 96 };

// What was told in each of the last seconds, and how old it was then. One for the page: it counts while other rooms are open.
export class Pulse {
  counts = new Array(SECONDS).fill(0);
  delays = new Array(SECONDS).fill(0);
  states = {};
  #second = Math.floor(Date.now() / 1000);

  constructor(stream) {
    this.stream = stream;
    stream.addEventListener("message", ({ detail }) => this.#count(new Date(detail.accepted_at).getTime()));
    stream.addEventListener("state", ({ detail }) => this.#state(detail));
  }

  #count(acceptedAt) {
    this.roll();
    this.counts[SECONDS - 1] += 1;
    this.delays[SECONDS - 1] = Math.max(this.delays[SECONDS - 1], Date.now() - acceptedAt);
  }

  #state({ channel, state }) {
    const of = (this.states[channel] ??= {});
    of[state] = (of[state] ?? 0) + 1;
  }

  roll() {
    const now = Math.floor(Date.now() / 1000);
    for (; this.#second < now; this.#second += 1) {
      for (const row of [this.counts, this.delays]) row.push(row.shift() * 0);
    }
  }
}

export class HealthRoom extends HTMLElement {
  #store; #pulse; #ready; #line; #charts; #table; #timers = []; #listening = new AbortController();

  connect(store, pulse) {
    [this.#store, this.#pulse] = [store, pulse];
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
    this.#ready = h("p", { role: "status" }, t("loading"));
    this.#line = h("p", {});
    this.#charts = h("div", { class: "charts" });
    this.#table = h("div", { class: "figures", tabindex: "0", role: "region", "aria-label": t("health.states") });
    this.replaceChildren(h("div", { class: "page" }, h("h1", {}, t("health.title")), this.#ready, this.#line, this.#charts, h("h2", {}, t("health.states")), this.#table,
      h("p", { class: "kind" }, t(store.has("manage") ? "health.of_all" : "health.of_mine"))));
    const draw = calmly(() => this.#draw());
    for (const kind of ["message", "state", "line"]) store.stream.addEventListener(kind, draw, { signal: this.#listening.signal });
    this.#timers = [setInterval(draw, 1000), setInterval(() => this.#look(), LOOK_MS)];
    this.#look();
    this.#draw();
  }

  show() {}

  leave() {
    this.#timers.forEach(clearInterval);
    this.#listening.abort();
  }

  key() {
    return false;
  }

  async #look() {
    const begun = performance.now();
    try {
      await get("/readyz");
      this.#tell("good", t("health.ready", { time: seconds(performance.now() - begun) }));
    } catch (problem) {
      this.#tell("bad", `${t("health.not_ready")} ${explained(problem)} ${problem.detail ?? ""}`);
    }
  }

  #tell(kind, text) {
    this.#ready.className = `light ${kind}`;
    this.#ready.textContent = text;
  }

  #draw() {
    this.#pulse.roll();
    const isLive = this.#store.stream.state === "live";
    this.#line.className = `light ${isLive ? "good" : "bad"}`;
    this.#line.textContent = t(isLive ? "health.live" : "health.waiting");
    this.#charts.replaceChildren(
      chart(t("health.rate"), this.#pulse.counts, (value) => t("health.per_second", { count: value })),
      chart(t("health.delay"), this.#pulse.delays, seconds));
    this.#table.replaceChildren(states(this.#pulse.states));
  }
}

// The last two minutes as bars, with the highest and the newest in words.
function chart(label, values, said) {
  const most = Math.max(1, ...values);
  const width = CHART.width / values.length;
  const bars = values.map((value, place) => {
    const height = (value / most) * (CHART.height - 4);
    return value ? svg("rect", { x: place * width, y: CHART.height - height, width: width * 0.8, height }) : null;
  });
  const about = t("health.chart", { most: said(Math.max(...values)), now: said(values.at(-2)) });
  return h("figure", {}, h("figcaption", {}, h("strong", {}, label), " ", about),
    svg("svg", { viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "img", "aria-label": `${label}. ${about}`, preserveAspectRatio: "none" }, bars));
}

function states(found) {
  const channels = Object.keys(found).sort();
  if (!channels.length) return h("p", {}, t("health.nothing"));
  const kinds = ["SENT", "DELIVERED", "READ", "FAILED"];
  return h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("health.channel")), ...kinds.map((each) => h("th", { scope: "col" }, t(`state.${each}`))))),
    h("tbody", {}, ...channels.map((channel) => h("tr", {}, h("th", { scope: "row" }, channel), ...kinds.map((each) => h("td", {}, String(found[channel][each] ?? 0)))))));
}

customElements.define("health-room", HealthRoom);
