// One endpoint of outgoing webhooks: how it is, what can be done with it, and the log of calls to it.

import { call, get } from "../api.js";
import { button, h, words } from "../dom.js";
import { exactly, explained, known, seconds, t } from "../i18n.js";
import { endpointForm } from "./endpoint-form.js";
import { choice, field, nothing, onlyNow, sure, tried } from "./forms.js";

const PAGE = 50;
const SINCE = ["1h", "24h", "7d"];
const OLD_VALID_S = ["86400", "3600", "0"];
// A call that was asked for is made within moments: so often the log is looked at again for it.
const SOON_MS = [400, 800, 1500, 3000, 5000, 8000];

export class WebhookEndpoint extends HTMLElement {
  #id; #webhook = null; #about; #told; #rows; #more; #next = ""; #timers = new Set();

  // `secret`: of an endpoint that was just made; "" for others.
  async connect(id, secret) {
    this.#id = id;
    this.#about = h("div", {});
    this.#told = h("div", {});
    this.#rows = h("ul", { class: "letters" });
    this.#more = button(t("more"), () => this.#page(), { hidden: true });
    this.replaceChildren(h("div", { class: "page" }, h("p", {}, h("a", { href: "#/webhooks" }, t("webhooks.back"))), this.#about,
      this.#told, h("h2", {}, t("webhooks.calls")), h("p", { class: "kind" }, t("webhooks.calls.about")),
      h("div", { class: "filters" }, button(t("refresh"), () => this.#load())), this.#rows, this.#more));
    if (secret) this.#tell(onlyNow(t("webhooks.secret"), secret), h("p", {}, t("webhooks.secret.do")));
    const isThere = await tried(this.#about, async () => this.#draw(await get(this.#path())));
    if (isThere) await this.#load();
  }

  disconnectedCallback() {
    this.#timers.forEach(clearTimeout);
  }

  #path(more = "") {
    return `/v1/webhooks/${encodeURIComponent(this.#id)}${more}`;
  }

  #tell(...nodes) {
    this.#told.replaceChildren(...nodes);
  }

  #draw(webhook) {
    this.#webhook = webhook;
    const isOn = webhook.status === "enabled";
    const filter = Object.entries(webhook.filter).map(([name, some]) => `${t(`webhooks.filter.${name}`)}: ${some.join(", ")}`);
    const facts = [
      [t("webhooks.events"), webhook.events.join(", ") || t("webhooks.all_events")], [t("webhooks.filter"), filter.join("; ")],
      [t("webhooks.headers"), webhook.header_names.join(", ")], [t("webhooks.throttle"), webhook.throttle ? String(webhook.throttle) : ""],
      ["webhook_id", webhook.webhook_id], [t("webhooks.made"), exactly(webhook.created_at)],
    ].filter(([, value]) => value);
    this.#about.replaceChildren(
      words(webhook.url, "h1", { dir: "ltr", class: "long" }), h("p", {}, health(webhook)), this.#help(webhook) ?? "",
      h("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [h("dt", {}, name), words(value, "dd")])),
      h("div", { class: "choices" },
        button(t("webhooks.test"), () => this.#test(), { class: "primary", disabled: !isOn }), button(t("webhooks.recover"), () => this.#recover(), { disabled: !isOn }),
        button(t("webhooks.edit"), () => this.#edit()), button(t("webhooks.rotate"), () => this.#rotate()),
        isOn ? button(t("webhooks.disable"), () => this.#turn("disable")) : button(t("webhooks.enable"), () => this.#turn("enable")),
        button(t("webhooks.delete"), () => this.#delete(), { class: "danger" })));
  }

  #help({ status, reason, failing_since: failing, sealed }) {
    const key = sealed ? "sealed" : status === "disabled" ? `disabled.${known(`webhooks.disabled.${reason}.do`) ? reason : "by_hand"}` : failing ? "failing" : "";
    return key ? h("div", { class: "help" }, h("p", {}, t(`webhooks.${key}.do`))) : null;
  }

  #did(act) {
    return tried(this.#told, act);
  }

  #test() {
    return this.#did(async () => {
      const { event_id: id } = await call("POST", this.#path("/test"));
      this.#tell(h("p", { role: "status" }, t("webhooks.tested")));
      this.#await((each) => each.event_id === id, (each) => this.#tell(h("p", { role: "status", class: `light ${isTold(each) ? "good" : "bad"}` }, outcome(each))));
    });
  }

  async #recover() {
    const since = h("select", {}, ...SINCE.map((each) => choice(each, t(`since.${each}`), "24h")));
    const isSure = await sure(t("webhooks.recover"), t("webhooks.recover.about"), t("webhooks.recover.do"), { danger: false, body: [field(t("webhooks.since"), since)] });
    if (isSure) await this.#did(async () => {
      const { events } = await call("POST", this.#path("/recover"), { since: since.value }, { "Idempotency-Key": crypto.randomUUID() });
      this.#tell(h("p", { role: "status" }, t(events ? "webhooks.recovered" : "webhooks.recovered.none", { count: events })));
      if (events) this.#await((each) => each.manual === "recovery", () => {});
    });
  }

  async #rotate() {
    const until = h("select", {}, ...OLD_VALID_S.map((each) => choice(each, t(`webhooks.old.${each}`), OLD_VALID_S[0])));
    const isSure = await sure(t("webhooks.rotate"), t("webhooks.rotate.about"), t("webhooks.rotate"), { danger: false, body: [field(t("webhooks.old"), until)] });
    if (isSure) await this.#did(async () => {
      const found = await call("POST", this.#path("/rotate"), { old_valid_s: Number(until.value) });
      this.#draw(found);
      this.#tell(onlyNow(t("webhooks.secret"), found.secret), h("p", {}, t("webhooks.secret.do")));
    });
  }

  #turn(how) {
    return this.#did(async () => {
      this.#draw(await call("POST", this.#path(`/${how}`)));
      this.#tell(h("p", { role: "status" }, t(`webhooks.${how}d.said`)), how === "enable" ? h("p", {}, t("webhooks.enabled.do")) : "");
    });
  }

  #edit() {
    const form = endpointForm(t("save"), this.#webhook, (asked, place) => tried(place, async () => {
      this.#draw(await call("PATCH", this.#path(), asked));
      this.#tell(h("p", { role: "status" }, t("saved")));
    }), () => this.#tell());
    this.#tell(form);
    form.querySelector("input").focus();
  }

  async #delete() {
    if (!await sure(t("webhooks.delete"), t("webhooks.delete.about"), t("webhooks.delete"))) return;
    await this.#did(async () => {
      await call("DELETE", this.#path());
      location.hash = "#/webhooks";
    });
  }

  // The log of calls.

  async #load() {
    this.#next = "";
    this.#rows.replaceChildren();
    await this.#page();
  }

  async #page() {
    try {
      const found = await get(this.#path("/deliveries"), { limit: PAGE, after: this.#next || undefined });
      this.#next = found.next ?? "";
      this.#more.hidden = !this.#next;
      this.#rows.append(...found.deliveries.map(line));
      if (!this.#rows.children.length) this.#rows.append(nothing("webhooks.calls.none"));
    } catch (problem) {
      this.#rows.append(h("li", { class: "trouble", role: "alert" }, explained(problem)));
    }
  }

  // Look at the newest calls until one `fits`, then `act` on it. Not for ever: a busy endpoint may have others before it.
  #await(fits, act, tries = 0) {
    const timer = setTimeout(async () => {
      this.#timers.delete(timer);
      const found = await get(this.#path("/deliveries"), { limit: PAGE }).catch(() => ({ deliveries: [] }));
      const there = found.deliveries.find(fits);
      if (there) {
        await this.#load();
        return act(there);
      }
      return tries + 1 < SOON_MS.length ? this.#await(fits, act, tries + 1) : this.#tell(h("p", { role: "status" }, t("webhooks.waits")));
    }, SOON_MS[tries]);
    this.#timers.add(timer);
  }
}

// How an endpoint is, as a light with words.
export function health({ status, sealed, failing_since: failing }) {
  const isWell = status === "enabled" && !failing && !sealed;
  const said = sealed ? t("webhooks.sealed") : status === "disabled" ? t("webhooks.disabled") : failing ? t("webhooks.failing", { time: exactly(failing) }) : t("webhooks.enabled");
  return h("span", { class: `light ${isWell ? "good" : "bad"}` }, said);
}

const isTold = ({ status, error }) => status >= 200 && status < 300 && !error;

// What came of a call, in words.
function outcome({ status, error, took_ms: took }) {
  if (status) return t("webhooks.answered", { status, time: seconds(took) });
  return known(`webhooks.error.${error}`) ? t(`webhooks.error.${error}`) : t("webhooks.error.other", { error });
}

function line(each) {
  const answered = each.response ? [h("p", {}, h("strong", {}, t("webhooks.response"))), body(each.response, t("webhooks.response"))] : [];
  return h("li", { class: "letter" }, h("details", {},
    h("summary", {}, h("span", { class: `light ${isTold(each) ? "good" : "bad"}` }, outcome(each)), h("code", {}, each.type),
      each.number > 1 ? h("span", { class: "badge" }, t("webhooks.try", { number: each.number })) : null,
      each.manual ? h("span", { class: "badge" }, t(`webhooks.manual.${each.manual}`)) : null, h("time", { datetime: each.at }, exactly(each.at))),
    isTold(each) ? null : h("p", {}, h("strong", {}, t("message.do")), " ", t(advised(each))),
    each.conversation_id ? h("p", {}, h("a", { href: `#/inbox/${each.conversation_id}` }, t("webhooks.conversation"))) : null,
    h("p", {}, h("strong", {}, t("webhooks.request"))), each.request ? body(pretty(each.request), t("webhooks.request")) : h("p", { class: "kind" }, t("webhooks.request.gone")),
    ...answered, h("dl", {}, h("dt", {}, "webhook-id"), h("dd", {}, h("code", {}, each.event_id)))));
}

function advised({ status }) {
  if (!status) return "webhooks.do.unreachable";
  if (status === 401 || status === 403) return "webhooks.do.refused";
  if (status === 410) return "webhooks.do.gone";
  return status < 400 ? "webhooks.do.redirect" : "webhooks.do.status";
}

function body(text, label) {
  return h("pre", { dir: "ltr", tabindex: "0", role: "region", "aria-label": label }, text);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1);
  } catch {
    return text;
  }
}

customElements.define("webhook-endpoint", WebhookEndpoint);
