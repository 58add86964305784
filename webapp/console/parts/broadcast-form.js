// A new broadcast: what is said, to whom, how fast. Who gets it, and what it looks like, is shown while one writes.

import { all, call, get } from "../api.js";
import { called } from "../channels.js";
import { content } from "../content.js";
import { h, words } from "../dom.js";
import { t } from "../i18n.js";
import { accountsWithTemplates } from "../templates.js";
import { choice, field, tried } from "./forms.js";
import "./template-form.js";

const COUNTED = 200;
const NAMED = 5;
const RATE = { usual: "20", most: "500" };

export function broadcastForm() {
  const form = document.createElement("broadcast-form");
  form.connect();
  return form;
}

export class BroadcastForm extends HTMLElement {
  #name; #channel; #tag; #rate; #text; #kind; #template = null; #accounts = []; #said; #seen; #people; #place; #whom; #listed; #table; #audience; #quiet; #key = crypto.randomUUID();

  async connect() {
    this.#place = h("div", {});
    this.replaceChildren(h("div", { class: "page" }, h("p", {}, h("a", { href: "#/broadcasts" }, t("broadcasts.back"))), h("h1", {}, t("broadcasts.new")), this.#place));
    await tried(this.#place, async () => {
      const [channels, accounts] = await Promise.all([all("/v1/channels", "channels"), accountsWithTemplates()]);
      this.#accounts = accounts;
      this.#build(channels);
    });
  }

  #build(channels) {
    this.#name = h("input", { maxlength: "128", autocomplete: "off", dir: "auto" });
    this.#channel = h("select", { on: { change: () => this.#turned() } }, ...channels.map((each) => choice(each.channel, called(each.channel), "whatsapp")));
    this.#kind = h("select", { on: { change: () => this.#turned() } }, choice("text", t("broadcasts.kind.text")), choice("template", t("broadcasts.kind.template")));
    this.#text = h("textarea", { rows: "4", maxlength: "4096", dir: "auto", on: { input: () => this.#show() } });
    this.#tag = h("input", { required: true, maxlength: "50", autocomplete: "off", dir: "auto", on: { change: () => this.#count() } });
    this.#rate = h("input", { type: "number", min: "1", max: RATE.most, required: true, value: RATE.usual });
    this.#whom = h("select", { on: { change: () => this.#aim() } }, choice("tag", t("broadcasts.to.tag")), choice("list", t("broadcasts.to.list")));
    this.#listed = h("textarea", { rows: "3", dir: "ltr", spellcheck: "false" });
    this.#table = h("input", { type: "file", accept: ".csv,text/csv" });
    this.#quiet = [h("input", { type: "time" }), h("input", { type: "time" }), h("input", { maxlength: "64", value: Intl.DateTimeFormat().resolvedOptions().timeZone, dir: "ltr" })];
    this.#audience = h("div", { class: "places-of" });
    [this.#said, this.#seen, this.#people] = [h("div", {}), h("div", {}), h("div", { role: "status" })];
    const problem = h("div", {});
    const submit = (event) => {
      event.preventDefault();
      this.#make(problem);
    };
    this.#place.replaceChildren(h("form", { class: "sheet wide", on: { submit } },
      field(t("broadcasts.name"), this.#name, t("broadcasts.name.about")),
      h("fieldset", {}, h("legend", {}, t("broadcasts.whom")), field(t("broadcasts.channel"), this.#channel), field(t("broadcasts.to"), this.#whom), this.#audience),
      h("fieldset", {}, h("legend", {}, t("broadcasts.what")), field(t("broadcasts.kind"), this.#kind, t("broadcasts.kind.about")), this.#said, this.#seen),
      field(t("broadcasts.rate"), this.#rate, t("broadcasts.rate.about")),
      h("details", {}, h("summary", {}, t("broadcasts.quiet")), h("p", { class: "kind" }, t("broadcasts.quiet.about")), ...["from", "until", "zone"].map((each, at) => field(t(`broadcasts.quiet.${each}`), this.#quiet[at]))), problem,
      h("p", { class: "kind" }, t("broadcasts.draft.about")),
      h("div", { class: "choices" }, h("button", { class: "primary" }, t("broadcasts.keep")))));
    this.#aim();
    this.#turned();
    this.#name.focus();
  }

  // To those with a tag, or to a list.
  #aim() {
    const isTag = this.#whom.value === "tag";
    this.#tag.required = isTag;
    this.#audience.replaceChildren(...(isTag ? [field(t("broadcasts.tag"), this.#tag, t("broadcasts.tag.about")), this.#people]
      : [field(t("broadcasts.list"), this.#listed, t("broadcasts.list.about")), field(t("broadcasts.table"), this.#table, t("broadcasts.table.about"))]));
  }

  // Another channel, or words in place of a template: what is written stays.
  #turned() {
    const account = this.#accounts.find((each) => each.channel === this.#channel.value && each.in_use) ?? this.#accounts.find((each) => each.channel === this.#channel.value);
    const canTemplate = this.#kind.querySelector("[value=template]");
    canTemplate.disabled = !account;
    if (!account) this.#kind.value = "text";
    const isTemplate = this.#kind.value === "template";
    this.#template = isTemplate ? document.createElement("template-form") : null;
    this.#text.required = !isTemplate;
    this.#said.replaceChildren(this.#template ?? field(t("broadcasts.words"), this.#text));
    this.#template?.connect(account.account_id, () => {});
    this.#show();
  }

  get #payload() {
    if (this.#template) return this.#template.payload;
    return this.#text.value.trim() ? { type: "text", text: this.#text.value.trim() } : null;
  }

  // A template shows itself.
  #show() {
    const payload = this.#template ? null : this.#payload;
    this.#seen.replaceChildren(payload ? h("div", { class: "bubble ours preview-of" }, h("article", { "aria-label": t("templates.preview") }, h("div", { class: "content" }, ...content(payload)))) : "");
  }

  // Who has the tag now: how many, and some of their names.
  async #count() {
    const tag = this.#tag.value.trim();
    if (!tag) return this.#people.replaceChildren();
    return tried(this.#people, async () => {
      const { contacts, next } = await get("/v1/contacts", { tag, limit: COUNTED });
      const names = contacts.slice(0, NAMED).map((each) => each.display_name || each.contact_id);
      const there = contacts.filter((each) => each.addresses.some((one) => one.channel === this.#channel.value)).length;
      this.#people.replaceChildren(
        h("p", {}, h("strong", {}, t(next ? "broadcasts.people.more" : "broadcasts.people", { count: contacts.length, there })), names.length ? " " : "", names.length ? words(names.join(", ") + (contacts.length > names.length ? ", …" : "")) : ""),
        contacts.length ? "" : h("p", { class: "kind" }, t("broadcasts.nobody.do"), " ", h("a", { href: "#/contacts" }, t("room.contacts"))));
    });
  }

  #make(problem) {
    return tried(problem, async () => {
      const payload = this.#payload;
      if (!payload) return problem.replaceChildren(h("p", { class: "trouble", role: "alert" }, t("broadcasts.unfinished")));
      const audience = this.#whom.value === "tag" ? { tag: this.#tag.value.trim() } : { addresses: this.#listed.value.split(/[\n,;]+/).map((each) => each.trim()).filter(Boolean) };
      const [from, until, zone] = this.#quiet.map((each) => each.value.trim());
      const asked = { name: this.#name.value.trim(), payload, channel: this.#channel.value, audience, rate: Number(this.#rate.value), ...(from && until ? { quiet_hours: { from, until, time_zone: zone || "UTC" } } : {}) };
      const made = await call("POST", "/v1/broadcasts", asked, { "Idempotency-Key": this.#key });
      const table = audience.addresses && this.#table.files[0];
      if (table) await call("POST", `/v1/broadcasts/${made.broadcast_id}/audience`, new Blob([table], { type: "text/csv" }));
      location.hash = `#/broadcasts/${made.broadcast_id}`;
    });
  }
}

customElements.define("broadcast-form", BroadcastForm);
