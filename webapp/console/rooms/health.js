// Health: whether the service answers and how quickly, what passes by on this page's own stream, and what waits where, drawn.

import { all, get } from "../api.js";
import { called } from "../channels.js";
import { calmly, h, outward, svg, words } from "../dom.js";
import { bytes, explained, seconds, t } from "../i18n.js";
import { health } from "../parts/account.js";

const SECONDS = 120;
const LOOK_MS = 10000;
const CHART = { width: 480, height: 96 };
const LOOKS = SECONDS / (LOOK_MS / 1000);
// From where on it is said that something is behind. Neither is an alert: those are Prometheus'.
const MANY = { waiting: 1000, retries: 1, full: 0.9 };
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
  #store; #pulse; #ready; #line; #charts; #table; #road; #now = null; #accounts = []; #timers = []; #listening = new AbortController();

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
      [this.#now, this.#accounts] = await Promise.all([get("/v1/road"), all("/v1/accounts", "accounts")]);
      this.#pulse.looked(this.#now);
      this.#draw();
    } catch {
      this.#now = null;  // What is the matter is said above.
    }
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
        words(each.name || t(`channel.${each.channel}`), "strong"), h("span", { class: "badge" }, each.channel), health(each)))))];
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
    this.#road.replaceChildren(...(this.#now ? this.#said(this.#now) : []));
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
  const about = t("health.chart", { most: said(Math.max(...values)), now: said(values.at(newest)) });
  return h("figure", {}, h("figcaption", {}, h("strong", {}, label), " ", about),
    svg("svg", { viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "img", "aria-label": `${label}. ${about}`, preserveAspectRatio: "none" }, bars));
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
    h("tbody", {}, ...channels.map((channel) => h("tr", {}, h("th", { scope: "row" }, channel), ...kinds.map((each) => h("td", {}, String(found[channel][each] ?? 0)))))));
}

customElements.define("health-room", HealthRoom);
