// Templates: what each account may send at any time, how its approval stands, and one more that is asked for.

import { call } from "../api.js";
import { button, calmly, h, words } from "../dom.js";
import { explained, known, t } from "../i18n.js";
import { choice, field, notForYou, nothing, sure, tried, walked } from "../parts/forms.js";
import { preview, standing } from "../parts/template-form.js";
import { accountsWithTemplates, templatesOf } from "../templates.js";

const CATEGORIES = ["UTILITY", "MARKETING", "AUTHENTICATION"];
const PLACE = /\{\{\s*\w+\s*\}\}/g;

export class TemplatesRoom extends HTMLElement {
  #store; #account = ""; #told; #rows; #listening = new AbortController();

  connect(store) {
    this.#store = store;
    const soon = calmly(() => this.#rows && !this.querySelector("details[open]") && this.#load());
    store.stream.addEventListener("template", soon, { signal: this.#listening.signal });
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
  }

  // `[account_id]`, or nothing for the first account
  async show([id]) {
    if (!this.#store.has("manage")) return this.replaceChildren(notForYou(t("templates.title"), "manage"));
    const place = h("div", {}, h("p", {}, t("loading")));
    this.replaceChildren(h("div", { class: "page" }, h("h1", {}, t("templates.title")), h("p", { class: "kind" }, t("templates.about")), place));
    return tried(place, async () => this.#build(await accountsWithTemplates(), id, place));
  }

  leave() {
    this.#listening.abort();
  }

  key(key) {
    return walked(this, ".letter summary", key);
  }

  #build(accounts, id, place) {
    if (!accounts.length) return place.replaceChildren(h("div", { class: "empty" }, h("p", {}, t("templates.no_account")), h("p", {}, h("a", { href: "#/accounts" }, t("templates.no_account.do")))));
    this.#account = accounts.find((each) => each.account_id === id)?.account_id ?? accounts[0].account_id;
    [this.#told, this.#rows] = [h("div", {}), h("ul", { class: "letters" })];
    const which = h("select", { on: { change: () => { location.hash = `#/templates/${encodeURIComponent(which.value)}`; } } },
      ...accounts.map((each) => choice(each.account_id, `${each.name || t(`channel.${each.channel}`)} ${each.provider_account_id ?? ""}`, this.#account)));
    const add = button(t("templates.new"), () => this.#add(), { class: "primary" });
    place.replaceChildren(h("div", { class: "filters" }, field(t("templates.account"), which), add, button(t("refresh"), () => this.#load())), this.#told, this.#rows);
    return this.#load();
  }

  async #load() {
    this.#rows.replaceChildren(h("li", {}, t("loading")));
    try {
      const found = await templatesOf(this.#account);
      this.#rows.replaceChildren(...found.map((each) => this.#row(each)));
      if (!found.length) this.#rows.append(nothing("templates.empty"));
    } catch (problem) {
      this.#rows.replaceChildren(h("li", { class: "trouble", role: "alert" }, explained(problem)));
    }
  }

  #row(template) {
    const { status, reason } = template;
    return h("li", { class: "letter" }, h("details", {},
      h("summary", {}, words(template.name, "strong"), h("span", { class: "badge" }, template.language), template.category ? words(template.category.toLowerCase(), "span", { class: "badge" }) : null, standing(template)),
      preview(template),
      reason ? h("p", {}, h("strong", {}, t("message.why")), " ", words(reason)) : null,
      known(`template.${status}.do`) ? h("p", {}, h("strong", {}, t("message.do")), " ", t(`template.${status}.do`)) : null,
      h("div", { class: "choices" }, button(t("templates.delete"), () => this.#delete(template), { class: "danger" }))));
  }

  async #delete({ name, language }) {
    if (!await sure(t("templates.delete"), t("templates.delete.about", { name, language }), t("templates.delete"))) return;
    await tried(this.#told, async () => {
      await call("DELETE", `/v1/accounts/${encodeURIComponent(this.#account)}/templates/${name}/${language}`);
      await this.#load();
      this.#told.replaceChildren(h("p", { role: "status" }, t("templates.deleted", { name })));
    });
  }

  #add() {
    const key = crypto.randomUUID();
    const place = h("div", {});
    const draft = new Draft(() => this.#show(draft, shown));
    const shown = h("div", {});
    const submit = async (event) => {
      event.preventDefault();
      await tried(place, async () => {
        const made = await call("POST", `/v1/accounts/${encodeURIComponent(this.#account)}/templates`, draft.asked, { "Idempotency-Key": key });
        await this.#load();
        this.#told.replaceChildren(h("p", { role: "status" }, t("templates.made", { name: made.name }), " ", standing(made)));
      });
    };
    const form = h("form", { class: "sheet wide", on: { submit } }, h("h2", {}, t("templates.new")), ...draft.fields, shown, place,
      h("div", { class: "choices" }, h("button", { class: "primary" }, t("templates.ask")), button(t("cancel"), () => form.remove())));
    this.#told.replaceChildren(form);
    this.#show(draft, shown);
    form.querySelector("input").focus();
  }

  #show(draft, place) {
    place.replaceChildren(preview({ components: draft.components }, draft.given));
  }
}

// A template that is being written. `changed()` with every letter.
class Draft {
  #name; #language; #category; #parts; #examples; #samples = new Map(); #changed;

  constructor(changed) {
    this.#changed = changed;
    const on = { input: () => this.#written() };
    this.#name = h("input", { required: true, maxlength: "512", pattern: "[a-z0-9_]+", autocomplete: "off", dir: "ltr" });
    this.#language = h("input", { required: true, maxlength: "8", pattern: "[a-z]{2,3}(_[A-Za-z]{2,4})?", value: document.documentElement.lang === "pt-BR" ? "pt_BR" : "en_US", dir: "ltr" });
    this.#category = h("select", {}, ...CATEGORIES.map((each) => choice(each, t(`templates.category.${each}`))));
    this.#parts = {
      HEADER: h("input", { maxlength: "60", dir: "auto", on }), BODY: h("textarea", { required: true, rows: "4", maxlength: "1024", dir: "auto", on }),
      FOOTER: h("input", { maxlength: "60", dir: "auto", on }), BUTTONS: h("textarea", { rows: "2", dir: "auto", on }),
    };
    this.#examples = h("div", {});
    this.fields = [field(t("templates.name"), this.#name, t("templates.name.about")), field(t("templates.language"), this.#language, t("templates.language.about")),
      field(t("templates.category"), this.#category), ...Object.entries(this.#parts).map(([name, control]) => field(t(`templates.part.${name}`), control, known(`templates.part.${name}.about`) ? t(`templates.part.${name}.about`) : "")), this.#examples];
  }

  // An example for each place: the provider looks at them before it approves.
  #written() {
    const wanted = this.#places;
    const there = [...this.#examples.querySelectorAll("input")].map((each) => each.dataset.place);
    if (String(there) !== String(wanted)) this.#examples.replaceChildren(...wanted.map((place) => {
      const input = h("input", { required: true, maxlength: "200", dir: "auto", value: this.#samples.get(place) ?? "", data: { place }, on: { input: () => { this.#samples.set(place, input.value); this.#changed(); } } });
      return field(t("templates.example", { place: place.split(" ")[1] }), input, t("templates.example.about"));
    }));
    this.#changed();
  }

  get #places() {
    return ["HEADER", "BODY"].flatMap((part) => [...new Set(this.#parts[part].value.match(PLACE) ?? [])].map((place) => `${part} ${place.replace(/\s/g, "")}`));
  }

  get given() {
    return [...this.#samples].map(([place, value]) => ({ part: place.split(" ")[0].toLowerCase(), name: place.split(" ")[1].replace(/[{}]/g, ""), value }));
  }

  get components() {
    const value = (name) => this.#parts[name].value.trim();
    const samples = (part) => this.#places.filter((each) => each.startsWith(part)).map((each) => this.#samples.get(each) ?? "");
    const replies = value("BUTTONS").split("\n").map((each) => each.trim()).filter(Boolean);
    return [
      value("HEADER") && { type: "HEADER", format: "TEXT", text: value("HEADER"), ...(samples("HEADER").length ? { example: { header_text: samples("HEADER") } } : {}) },
      { type: "BODY", text: value("BODY"), ...(samples("BODY").length ? { example: { body_text: [samples("BODY")] } } : {}) },
      value("FOOTER") && { type: "FOOTER", text: value("FOOTER") },
      replies.length && { type: "BUTTONS", buttons: replies.map((text) => ({ type: "QUICK_REPLY", text })) },
    ].filter(Boolean);
  }

  get asked() {
    return { name: this.#name.value.trim(), language: this.#language.value.trim(), category: this.#category.value, components: this.components };
  }
}

customElements.define("templates-room", TemplatesRoom);
