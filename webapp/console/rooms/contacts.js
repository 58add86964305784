// Contacts: who writes to us. Found by an address or a tag; what the team calls them and knows of them.

import { call, get } from "../api.js";
import { called } from "../channels.js";
import { button, h, words } from "../dom.js";
import { exactly, explained, t, whenever } from "../i18n.js";
import { sameAs } from "../parts/contact-merge.js";
import { field, notForYou, nothing, pieces, sure, tried, walked } from "../parts/forms.js";

const PAGE = 100;

export class ContactsRoom extends HTMLElement {
  #store; #rows; #more; #find; #next = "";

  connect(store) {
    this.#store = store;
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
  }

  // `[contact_id]`, `["new"]`, or nothing for the list
  show([id]) {
    if (!this.#store.has("manage")) return this.replaceChildren(notForYou(t("contacts.title"), "manage"));
    if (id === "new") return this.#page(t("contacts.new"), this.#form(null));
    return id ? this.#one(id) : this.#list();
  }

  leave() {}

  key(key) {
    if (key === "/" && this.#find) this.#find.focus();
    else return walked(this, ".place", key);
    return true;
  }

  #page(title, ...nodes) {
    this.replaceChildren(h("div", { class: "page" }, h("p", {}, h("a", { href: "#/contacts" }, t("contacts.back"))), words(title, "h1", { class: "long" }), ...nodes));
  }

  #list() {
    this.#find = h("input", { type: "search", "aria-label": t("contacts.find"), placeholder: t("contacts.find") });
    this.#rows = h("ul", { class: "places" });
    this.#more = button(t("more"), () => this.#load(), { hidden: true });
    const search = (event) => {
      event.preventDefault();
      this.#begin();
    };
    this.replaceChildren(h("div", { class: "page" }, h("h1", {}, t("contacts.title")), h("p", { class: "kind" }, t("contacts.about")),
      h("form", { class: "filters", on: { submit: search } }, this.#find, h("button", {}, t("contacts.search")), h("a", { class: "way-in", href: "#/contacts/new" }, t("contacts.new"))),
      this.#rows, this.#more));
    return this.#begin();
  }

  #begin() {
    this.#next = "";
    this.#rows.replaceChildren();
    return this.#load();
  }

  async #load() {
    const asked = this.#find.value.trim();
    const by = asked.includes(":") ? { address: asked } : { tag: asked || undefined };
    try {
      const found = await get("/v1/contacts", { limit: PAGE, after: this.#next || undefined, ...by });
      this.#next = found.next ?? "";
      this.#more.hidden = !this.#next;
      this.#rows.append(...found.contacts.map(row));
      if (!this.#rows.children.length) this.#rows.append(nothing("contacts.empty"));
    } catch (problem) {
      this.#rows.append(h("li", { class: "trouble", role: "alert" }, explained(problem)));
    }
  }

  async #one(id) {
    const place = h("div", {});
    this.#page(t("contacts.title"), place);
    await tried(place, async () => this.#shown(await get(`/v1/contacts/${encodeURIComponent(id)}`)));
  }

  #shown(contact) {
    const same = new Set([contact.contact_id, ...(contact.merged ?? []).map((each) => each.contact_id)]);
    const talks = [...this.#store.conversations.values()].filter((each) => each.members.some((one) => same.has(one.user_id)));
    this.#page(contact.display_name || contact.contact_id, this.#block(contact),
      h("h2", {}, t("contacts.addresses")),
      contact.addresses.length ? h("ul", {}, ...contact.addresses.map((each) => h("li", {}, h("span", { class: "badge" }, called(each.channel)), " ", h("code", {}, each.address),
        each.last_wrote_at ? h("span", { class: "kind" }, ` ${t("contacts.wrote", { time: exactly(each.last_wrote_at) })}`) : ""))) : h("p", { class: "kind" }, t("contacts.addresses.none")),
      ...talks.map((each) => h("p", {}, h("a", { href: `#/inbox/${each.conversation_id}` }, t("webhooks.conversation")))),
      h("h2", {}, t("contacts.consents")), h("p", { class: "kind" }, t("contacts.consents.about")), this.#consents(contact),
      h("h2", {}, t("contacts.known")), this.#form(contact), sameAs(contact, (changed) => this.#shown(changed)),
      h("dl", { class: "facts" }, h("dt", {}, "contact_id"), h("dd", {}, h("code", {}, contact.contact_id)), h("dt", {}, t("webhooks.made")), h("dd", {}, exactly(contact.created_at))));
  }

  // Nothing is sent to who is blocked, and nothing that they write is kept.
  #block(contact) {
    const place = h("div", {});
    const act = async () => {
      if (!contact.blocked && !await sure(t("block.title"), t("block.about"), t("block.do"))) return;
      await tried(place, async () => this.#shown(await call(contact.blocked ? "DELETE" : "PUT", `/v1/contacts/${encodeURIComponent(contact.contact_id)}/block`)));
    };
    return h("div", {}, contact.blocked ? h("p", {}, h("span", { class: "light bad" }, t("block.since", { time: exactly(contact.blocked_at), who: contact.blocked_by ?? "" }))) : "",
      h("div", { class: "choices" }, button(t(contact.blocked ? "block.undo" : "block.do"), act, contact.blocked ? {} : { class: "danger" })), place);
  }

  // By channel, whether they want what they did not ask for, and who said so. What the team was told is said here.
  #consents(contact) {
    const place = h("div", {});
    const said = contact.consents ?? {};
    const channels = [...new Set([...contact.addresses.map((each) => each.channel), ...Object.keys(said)])].sort();
    const say = (channel, state) => tried(place, async () => {
      this.#shown(await call("PUT", `/v1/contacts/${encodeURIComponent(contact.contact_id)}/consents/${encodeURIComponent(channel)}`, { state }));
    });
    const row = (channel) => {
      const { state = "unsaid", at, source } = said[channel] ?? {};
      return h("li", { class: "place" }, h("strong", {}, called(channel)),
        h("span", { class: `light ${{ granted: "good", revoked: "bad" }[state] ?? ""}` }, t(`contacts.consent.${state}`)),
        at ? h("span", { class: "kind" }, t(`contacts.consent.by.${source}`, { time: whenever(at) })) : "",
        h("span", { class: "choices" }, state === "granted" ? "" : button(t("contacts.consent.grant"), () => say(channel, "granted")),
          state === "revoked" ? "" : button(t("contacts.consent.revoke"), () => say(channel, "revoked"))));
    };
    return h("div", {}, place, h("ul", { class: "places" }, ...channels.map(row)));
  }

  // What is known of somebody; null: somebody new.
  #form(contact) {
    const address = contact ? null : h("input", { required: true, dir: "ltr", placeholder: "whatsapp:+5511999990000" });
    const name = h("input", { maxlength: "64", value: contact?.display_name ?? "" });
    const tags = h("input", { value: (contact?.tags ?? []).join(" ") });
    const notes = h("textarea", { rows: "3", maxlength: "4000", dir: "auto" }, contact?.notes ?? "");
    const zone = h("input", { maxlength: "64", value: contact?.time_zone ?? "", placeholder: "America/Sao_Paulo" });
    const place = h("div", {});
    const submit = async (event) => {
      event.preventDefault();
      const asked = { display_name: name.value.trim(), tags: pieces(tags.value), notes: notes.value, time_zone: zone.value.trim() };
      await tried(place, async () => {
        if (!contact) location.hash = `#/contacts/${(await call("POST", "/v1/contacts", { address: address.value.trim(), ...asked })).contact_id}`;
        else this.#shown(await call("PATCH", `/v1/contacts/${encodeURIComponent(contact.contact_id)}`, { ...asked, version: contact.version }));
      });
    };
    return h("form", { class: "sheet", on: { submit } }, address ? field(t("contacts.address"), address, t("contacts.address.about")) : "",
      field(t("contacts.name"), name, t("contacts.name.about")), field(t("contacts.tags"), tags, t("handling.labels.about")), field(t("contacts.notes"), notes, t("contacts.notes.about")),
      field(t("contacts.zone"), zone), place, h("div", { class: "choices" }, h("button", { class: "primary" }, t("save"))));
  }
}

function row(contact) {
  return h("li", {}, h("a", { class: "place", href: `#/contacts/${encodeURIComponent(contact.contact_id)}` }, words(contact.display_name || contact.contact_id, "strong"),
    ...contact.tags.map((each) => words(each, "span", { class: "badge" })),
    h("span", { class: "kind", dir: "auto" }, contact.addresses.map((each) => `${called(each.channel)} ${each.address}`).join(" · "))));
}

customElements.define("contacts-room", ContactsRoom);
