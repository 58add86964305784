// One account at a provider: what is right and what is not, step by step, and what can be done with it.

import { call, get } from "../api.js";
import { called } from "../channels.js";
import { button, h, words } from "../dom.js";
import { exactly, known, t } from "../i18n.js";
import { fields, inputs, values } from "./account-guide.js";
import { copied, field, sure, tried } from "./forms.js";

// What a check looks at, in its order, and the codes that say what is wrong there (docs/accounts.md).
const LOOKED_AT = {
  token: ["token_refused", "token_expired", "permission_missing"],
  account: ["account_unknown", "number_not_connected", "business_unknown"],
  permissions: ["scope_missing"],
  secret: ["secret_wrong"],
  subscription: ["not_subscribed", "webhook_elsewhere", "webhook_refused", "webhook_failed"],
  address: ["no_public_address", "address_not_https"],
};
const STEPS = { telegram: ["token", "subscription", "address"] };
const PASTED = ["instagram", "messenger"];  // There the webhook is set by hand, in the app's dashboard.
const SAID_ABOVE = ["paused", "connecting"];  // By its light.
const EXAMPLE = { whatsapp: "+5511999990000", telegram: "123456789", instagram: "17841400001", messenger: "17841400001" };

export class ProviderAccount extends HTMLElement {
  #store; #id; #verify; #account = null; #about; #told; #steps; #test; #advised = h("div", {});

  // `verify`: the verify token of an account that was just made; "" for others.
  async connect(store, id, verify) {
    [this.#store, this.#id, this.#verify] = [store, id, verify];
    [this.#about, this.#told, this.#steps, this.#test] = [1, 2, 3, 4].map(() => h("div", {}));
    this.replaceChildren(h("div", { class: "page" }, h("p", {}, h("a", { href: "#/accounts" }, t("accounts.back"))), this.#about, this.#told, this.#steps, this.#test));
    if (await tried(this.#about, async () => this.#draw(await get(this.#path())))) await Promise.all([this.#advise(), this.#check()]);
  }

  #path(more = "") {
    return `/v1/accounts/${encodeURIComponent(this.#id)}${more}`;
  }

  #draw(account) {
    this.#account = account;
    const { channel, state } = account;
    const isOurs = account.managed_by === "api";
    const facts = [[t("accounts.channel"), t(`channel.${channel}`)], [t(known(`accounts.id.${channel}`) ? `accounts.id.${channel}` : "accounts.id"), account.provider_account_id],
      [t("accounts.kept"), account.credential_names.join(", ")], ["account_id", account.account_id],
      [t("accounts.checked"), account.checked_at ? exactly(account.checked_at) : ""]].filter(([, value]) => value);
    this.#about.replaceChildren(
      words(account.name || t(`channel.${channel}`), "h1", { class: "long" }), h("p", {}, health(account)),
      h("p", { class: "kind" }, t(account.simulated ? "accounts.simulated.set_up" : `accounts.by.${account.managed_by}.about`)),
      h("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [h("dt", {}, name), words(value, "dd")])),
      h("div", { class: "choices" }, button(t("accounts.check"), () => this.#check(), { class: "primary" }),
        ...(isOurs ? [
          button(t("accounts.connect"), () => this.#connect()),
          state === "paused" ? button(t("accounts.resume"), () => this.#turn("resume")) : button(t("accounts.pause"), () => this.#turn("pause"), { disabled: state === "connecting" }),
          button(t("accounts.rename"), () => this.#rename()), button(t("accounts.rotate"), () => this.#rotate()),
          button(t("accounts.delete"), () => this.#delete(), { class: "danger" })] : [])),
      this.#place(account), this.#advised);
    this.#test.replaceChildren(account.in_use && this.#store.has("send") ? this.#trial(channel) : "");
  }

  // What has to be pasted at the provider, where we cannot set it there ourselves.
  #place({ channel, webhook_url: url, managed_by: by }) {
    if (!url || by !== "api") return "";
    return h("section", { class: "sheet" }, h("h2", {}, t("accounts.place")), h("p", {}, t(PASTED.includes(channel) ? "accounts.place.paste" : "accounts.place.set")), copied(url),
      this.#verify && PASTED.includes(channel) ? h("div", {}, h("p", {}, t("accounts.value.verify_token")), copied(this.#verify)) : "");
  }

  #did(act) {
    return tried(this.#told, act);
  }

  #tell(text) {
    this.#told.replaceChildren(h("p", { role: "status" }, text));
  }

  // What the provider has said of it, where that asks for something.
  async #advise() {
    await tried(this.#advised, async () => {
      const { advice } = await get(this.#path("/health"));
      this.#advised.replaceChildren(...advice.filter(({ code }) => !SAID_ABOVE.includes(code)).map(help));
      if (advice.some(({ code }) => code === "suspended")) this.#advised.append(button(t("accounts.resume"), async () => { await this.#turn("resume"); await this.#advise(); }));
    });
  }

  async #check() {
    const looking = h("p", { role: "status", class: "kind" }, t("accounts.checking"));
    this.#steps.replaceChildren(looking);
    const isDone = await this.#did(async () => {
      const { account, said, findings } = await call("POST", this.#path("/check"));
      this.#draw(account);
      if (account.simulated) return this.#steps.replaceChildren(h("p", { role: "status" }, t("accounts.simulated.about")));
      const about = said ? words(said, "p", { class: "kind" }) : "";
      return this.#steps.replaceChildren(h("h2", {}, t("accounts.steps")), about, h("ol", { class: "steps" }, ...steps(account.channel, findings)),
        findings.length ? "" : h("p", { role: "status", class: "light good" }, t("accounts.well")));
    });
    if (!isDone) looking.remove();
  }

  #connect() {
    return this.#did(async () => {
      const { said } = await call("POST", this.#path("/connect"));
      await this.#check();
      this.#tell(said);
    });
  }

  #turn(how) {
    return this.#did(async () => {
      this.#draw(await call("POST", this.#path(`/${how}`)));
      this.#tell(t(`accounts.${how}d`));
    });
  }

  #rename() {
    const name = h("input", { maxlength: "128", value: this.#account.name ?? "" });
    this.#form([field(t("accounts.name"), name)], async () => this.#draw(await call("PATCH", this.#path(), { name: name.value.trim() })));
  }

  #rotate() {
    const given = inputs(this.#account.channel, true);
    this.#form([h("p", {}, t("accounts.rotate.about")), ...fields(this.#account.channel, given)], async () => {
      this.#draw(await call("POST", this.#path("/rotate"), { credentials: values(given) }));
      await this.#check();
    });
  }

  #form(nodes, act) {
    const place = h("div", {});
    const submit = async (event) => {
      event.preventDefault();
      if (await tried(place, act)) this.#tell(t("saved"));
    };
    const form = h("form", { class: "sheet", on: { submit } }, ...nodes, place,
      h("div", { class: "choices" }, h("button", { class: "primary" }, t("save")), button(t("cancel"), () => form.remove())));
    this.#told.replaceChildren(form);
    form.querySelector("input").focus();
  }

  async #delete() {
    if (!await sure(t("accounts.delete"), t("accounts.delete.about"), t("accounts.delete"))) return;
    await this.#did(async () => {
      await call("DELETE", this.#path());
      location.hash = "#/accounts";
    });
  }

  // A message from it to somebody who waits for it.
  #trial(channel) {
    const [to, text, place] = [h("input", { required: true, dir: "ltr", placeholder: EXAMPLE[channel] ?? "" }), h("input", { required: true, maxlength: "4096", value: t("accounts.trial.words") }), h("div", {})];
    const send = async (event) => {
      event.preventDefault();
      const asked = { to: [`${channel}:${to.value.trim()}`], payload: { type: "text", text: text.value } };
      await tried(place, async () => {
        const sent = await call("POST", "/v1/messages", asked);
        place.replaceChildren(h("p", { role: "status" }, t("accounts.trial.sent"), " ", h("a", { href: `#/message/${sent.conversation_id}/${sent.message_id}` }, t("letters.way"))));
      });
    };
    return h("form", { class: "sheet", on: { submit: send } }, h("h2", {}, t("accounts.trial")), h("p", { class: "kind" }, t(known(`accounts.trial.${channel}`) ? `accounts.trial.${channel}` : "accounts.trial.about")),
      field(t("accounts.trial.to"), to), field(t("accounts.trial.text"), text), place, h("div", { class: "choices" }, h("button", { class: "primary" }, t("accounts.trial.send"))));
  }
}

// What an account is called; beside a name of its own also its channel.
export function title({ name, channel }) {
  return [words(name || t(`channel.${channel}`), "strong"), name ? h("span", { class: "badge" }, called(channel)) : ""];
}

// How an account is, as a light with words.
export function health({ state, reason, simulated }) {
  const said = simulated ? t("accounts.simulated") : t(`accounts.state.${state}`);
  const why = reason ? `: ${known(`finding.${reason}`) ? t(`finding.${reason}`) : reason}` : "";
  return h("span", { class: `light ${state === "active" ? "good" : "bad"}` }, said, why);
}

// Each thing that was looked at: right, wrong with how it is mended, or not looked at, since something before it stopped the check.
function steps(channel, findings) {
  const looked = STEPS[channel] ?? Object.keys(LOOKED_AT);
  const stop = findings.find((each) => each.code === "unreachable") ?? findings.find((each) => each.fatal);
  const at = stop ? looked.findIndex((each) => LOOKED_AT[each].includes(stop.code)) : looked.length;
  const others = findings.filter((each) => !looked.some((step) => LOOKED_AT[step].includes(each.code)));
  const step = (name, place) => {
    const wrong = findings.filter((each) => LOOKED_AT[name].includes(each.code));
    const isKnown = place < at || (place > at && stop?.code === "secret_wrong");
    const kind = wrong.length ? "failed" : isKnown ? "done" : "waiting";
    return h("li", { class: `step ${kind}`, data: { step: name } }, h("span", { class: "label" }, t(`accounts.step.${name}`)), h("span", { class: "kind" }, t(`accounts.step.${kind}`)), ...wrong.map(help));
  };
  return [...looked.map(step), ...others.map((each) => h("li", { class: "step failed" }, h("span", { class: "label" }, each.code), help(each)))];
}

// Something that is not well, and what to do.
export function help({ code, said, mend }) {
  return h("div", { class: "help" }, h("p", {}, known(`finding.${code}`) ? t(`finding.${code}`) : said), DETAILED.includes(code) ? words(said, "p", { lang: "en" }) : null,
    h("p", {}, h("strong", {}, t("message.do")), " ", known(`finding.${code}.do`) ? t(`finding.${code}.do`) : mend));
}

const DETAILED = ["scope_missing", "number_not_connected", "not_subscribed", "credentials_refused", "credentials_expire", "suspended", "restricted", "quality_low", "template_trouble", "provider_alert"];

customElements.define("provider-account", ProviderAccount);
