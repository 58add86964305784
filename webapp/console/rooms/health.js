// Health: whether the service answers and how quickly, what passes by on this page's own stream, and what waits where, drawn.

import { all, get } from "../api.js";
import { called } from "../channels.js";
import { calmly, h, outward, svg, words } from "../dom.js";
import { bytes, explained, seconds, t } from "../i18n.js";
import { health, help, title } from "../parts/account.js";
import { progress, state } from "../parts/broadcast.js";

const SECONDS = 120;
const LOOK_MS = 10000;
const CHART = { width: 480, height: 96 };
const LOOKS = SECONDS / (LOOK_MS / 1000);
// From where on it is said that something is behind. Neither is an alert: those are Prometheus'.
const MANY = { waiting: 1000, retries: 1, full: 0.9 };
// What changes seldom is looked at so much less often, and of so many accounts.
const [SLOW_LOOKS, LOOKED_AT] = [6, 50];
const LINKS = ["runbook", "flower", "grafana"];

// What was told in each of the last seconds, and how old it was then. One for the page: it counts while other rooms are open.
export class Pulse {
  counts = new Array(SECONDS).fill(0);
  delays = new Array(SECONDS).fill(0);
  states = {};
  waiting = [];  // Records that waited, and addresses that did, at each look.
  retries = [];
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

  // What a look found; the last two minutes of looks are kept.
  looked({ topics, channels }) {
    this.waiting = [...this.waiting, topics.reduce((sum, each) => sum + each.waiting, 0)].slice(-LOOKS);
    this.retries = [...this.retries, channels.reduce((sum, each) => sum + each.retries, 0)].slice(-LOOKS);
  }

  roll() {
    const now = Math.floor(Date.now() / 1000);
    for (; this.#second < now; this.#second += 1) {
      for (const row of [this.counts, this.delays]) row.push(row.shift() * 0);
    }
  }
}

export class HealthRoom extends HTMLElement {
  #store; #pulse; #ready; #line; #charts; #table; #road; #now = null; #looks = 0; #accounts = []; #running = []; #timers = []; #listening = new AbortController();

  connect(store, pulse) {
    [this.#store, this.#pulse] = [store, pulse];
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
    this.#ready = h("p", { role: "status" }, t("loading"));
    this.#line = h("p", {});
    this.#charts = h("div", { class: "charts" });
    this.#table = h("div", { class: "figures", tabindex: "0", role: "region", "aria-label": t("health.states") });
    this.#road = h("section", {});
    this.replaceChildren(h("div", { class: "page" }, h("h1", {}, t("health.title")), this.#ready, this.#line, this.#further(), this.#charts, this.#road, h("h2", {}, t("health.states")), this.#table,
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

  // Where one looks further, where that leads somewhere.
  #further() {
    const shown = LINKS.filter((each) => this.#store.links[each]);
    return shown.length ? h("p", { class: "further" }, ...shown.flatMap((each) => [outward(this.#store.links[each], t(`health.link.${each}`)), " "])) : "";
  }

  async #look() {
    if (this.#store.has("manage")) this.#lookAtRoad();
    const begun = performance.now();
    try {
      await get("/readyz");
      this.#tell("good", t("health.ready", { time: seconds(performance.now() - begun) }));
    } catch (problem) {
      this.#tell("bad", `${t("health.not_ready")} ${explained(problem)} ${problem.detail ?? ""}`);
    }
  }

  async #lookAtRoad() {
    try {
      this.#now = await get("/v1/road");
      this.#pulse.looked(this.#now);
      if (this.#looks % SLOW_LOOKS === 0) await this.#lookSlowly();
      this.#looks += 1;
      this.#road.replaceChildren(...this.#said(this.#now));
    } catch {
      this.#now = null;  // What is the matter is said above.
    }
  }

  // What changes seldom: how the accounts are, as their providers say, and what runs to many.
  async #lookSlowly() {
    const accounts = await all("/v1/accounts", "accounts");
    this.#accounts = await Promise.all(accounts.slice(0, LOOKED_AT).map(async (each) => ({ ...each, ...await get(`/v1/accounts/${encodeURIComponent(each.account_id)}/health`) })));
    this.#running = this.#store.has("send") ? (await all("/v1/broadcasts", "broadcasts")).filter((each) => ["running", "paused"].includes(each.state)) : [];
  }

  #tell(kind, text) {
    this.#ready.className = `light ${kind}`;
    this.#ready.textContent = text;
  }

  // What waits where, in words: a light for each, and what to do where it is not well.
  #said({ topics, channels, disk }) {
    const behind = topics.reduce((sum, each) => sum + each.waiting, 0);
    const full = disk ? 1 - disk.free_bytes / disk.size_bytes : 0;
    return [h("h2", {}, t("health.road")),
      h("ul", { class: "places" },
        place(behind < MANY.waiting, t("health.log"), t("health.log.waiting", { count: behind }), t("health.log.do")),
        ...channels.map((each) => place(each.retries < MANY.retries, called(each.channel),
          t("health.lanes", { lanes: each.lanes, working: each.working, retries: each.retries }), t("health.retries.do"), share(each.working, each.lanes))),
        disk ? place(full < MANY.full, t("health.disk"), t("health.disk.free", { free: bytes(disk.free_bytes), size: bytes(disk.size_bytes) }), t("health.disk.do"), share(full, 1)) : ""),
      h("h2", {}, t("accounts.title")),
      h("ul", { class: "places" }, ...this.#accounts.map((each) => h("li", {}, h("a", { class: "place", href: `#/accounts/${encodeURIComponent(each.account_id)}` },
        ...title(each), health(each), ...said(each)),
        ...(each.advice ?? []).map(help)))),
      this.#running.length ? h("h2", {}, t("broadcasts.title")) : "",
      h("ul", { class: "places" }, ...this.#running.map((each) => h("li", {}, h("a", { class: "place", href: `#/broadcasts/${encodeURIComponent(each.broadcast_id)}` },
        words(each.name || t("broadcasts.unnamed"), "strong"), state(each), h("span", { class: "kind" }, t("health.broadcast", { rate: each.rate, limit: this.#limit(each) })), progress(each)))))];
  }

  // How fast the account that a broadcast goes by may send, where somebody set that.
  #limit({ channel, account_id: id }) {
    const { limits } = this.#accounts.find((each) => (id ? each.account_id === id : each.channel === channel && each.is_default)) ?? {};
    return limits?.messages_per_second ? t("health.broadcast.limit", { rate: limits.messages_per_second }) : "";
  }

  #draw() {
    this.#pulse.roll();
    const isLive = this.#store.stream.state === "live";
    this.#line.className = `light ${isLive ? "good" : "bad"}`;
    this.#line.textContent = t(isLive ? "health.live" : "health.waiting");
    this.#charts.replaceChildren(
      chart(t("health.rate"), this.#pulse.counts, (value) => t("health.per_second", { count: value })),
      chart(t("health.delay"), this.#pulse.delays, seconds),
      ...(this.#now ? [chart(t("health.waiting_records"), padded(this.#pulse.waiting), String, -1), chart(t("health.waiting_retries"), padded(this.#pulse.retries), String, -1)] : []));
    this.#table.replaceChildren(states(this.#pulse.states));
  }
}

const padded = (values) => [...new Array(LOOKS - values.length).fill(0), ...values];

// The last two minutes as bars, with the highest and the newest in words. `newest`: its place, from the end.
function chart(label, values, said, newest = -2) {
  const most = Math.max(1, ...values);
  const width = CHART.width / values.length;
  const bars = values.map((value, place) => {
    const height = (value / most) * (CHART.height - 4);
    return value ? svg("rect", { x: place * width, y: CHART.height - height, width: width * 0.8, height }) : null;
  });
  const about = values.every((each) => !each) ? t("health.quiet") : t("health.chart", { most: said(Math.max(...values)), now: said(values.at(newest)) });
  return h("figure", {}, h("figcaption", {}, h("strong", {}, label), " ", about),
    svg("svg", { viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "img", "aria-label": `${label}. ${about}`, preserveAspectRatio: "none" }, bars));
}

// What the provider says of an account, in its own words.
function said(account) {
  return ["quality", "tier", "throughput"].filter((each) => account[each]).map((each) => h("span", { class: "badge" }, t(`health.account.${each}`), ": ", account[each]));
}

// A thing with a light: how it is, and what to do where it is not well.
function place(isWell, name, said, todo, drawn = "") {
  return h("li", { class: "place" }, h("strong", { class: `light ${isWell ? "good" : "bad"}` }, name), h("span", { class: "kind" }, said, isWell ? "" : ` ${todo}`), drawn);
}

// A part of a whole as a bar; the words beside it say the same.
function share(part, whole) {
  return svg("svg", { class: "share", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { class: "accepted", x: 0, y: 0, width: whole ? 100 * part / whole : 0, height: 4 }));
}

function states(found) {
  const channels = Object.keys(found).sort();
  if (!channels.length) return h("p", {}, t("health.nothing"));
  const kinds = ["SENT", "DELIVERED", "READ", "FAILED"];
  return h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("health.channel")), ...kinds.map((each) => h("th", { scope: "col" }, t(`state.${each}`))))),
    h("tbody", {}, ...channels.map((channel) => h("tr", {}, h("th", { scope: "row" }, called(channel)), ...kinds.map((each) => h("td", {}, String(found[channel][each] ?? 0)))))));
}

customElements.define("health-room", HealthRoom);
