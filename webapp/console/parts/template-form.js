// A template as people will see it, and the form that chooses one of an account and fills its places in.

import { button, h, words } from "../dom.js";
import { known, t } from "../i18n.js";
import { body, buttons, filled, footer, header, headerFile, payload, places, SENDABLE, templatesOf } from "../templates.js";
import { choice, field, tried } from "./forms.js";

// What it looks like on a phone.
export function preview(template, given = []) {
  const line = (text, kind) => text && words(text, "p", { class: kind });
  const file = headerFile(template);
  return h("div", { class: "bubble ours preview-of" }, h("article", { "aria-label": t("templates.preview") },
    file ? h("p", { class: "kind" }, t("templates.header_file", { kind: file.toLowerCase() })) : null,
    line(filled(header(template), "header", given), "said strong"), line(filled(body(template), "body", given), "said"), line(footer(template), "kind"),
    buttons(template).length ? h("ul", { class: "options" }, ...buttons(template).map((each) => words(each.text ?? each.type, "li"))) : null));
}

// How its approval stands, as a light with words.
export function standing({ status }) {
  return h("span", { class: `light ${status === SENDABLE ? "good" : "bad"}` }, known(`template.${status}`) ? t(`template.${status}`) : status);
}

// Chooses and fills in. `changed()` when something else is chosen or written. `payload`: null until it is whole.
export class TemplateForm extends HTMLElement {
  #templates = []; #choice; #fields; #shown; #given = []; #changed = () => {};

  async connect(accountId, changed) {
    this.#changed = changed;
    [this.#fields, this.#shown] = [h("div", { class: "places-of" }), h("div", {})];
    this.replaceChildren(h("p", { role: "status" }, t("loading")));
    const place = h("div", {});
    const there = await tried(place, async () => { this.#templates = (await templatesOf(accountId)).filter((each) => each.status === SENDABLE); });
    if (!there) return this.replaceChildren(place);
    if (!this.#templates.length) return this.replaceChildren(h("p", {}, t("templates.none_sendable")), h("p", {}, h("a", { href: `#/templates/${encodeURIComponent(accountId)}` }, t("templates.to_room"))));
    this.#choice = h("select", { on: { change: () => this.#choose() } }, ...this.#templates.map((each, at) => choice(String(at), `${each.name} (${each.language})`)));
    this.replaceChildren(field(t("templates.which"), this.#choice), this.#fields, this.#shown);
    return this.#choose();
  }

  get payload() {
    const template = this.#template;
    return template && this.#given.every(isGiven) ? payload(template, this.#given) : null;
  }

  get #template() {
    return this.#templates[Number(this.#choice?.value ?? -1)];
  }

  #choose() {
    this.#given = places(this.#template).map((each) => ({ ...each, value: "" }));
    this.#fields.replaceChildren(...this.#given.map((each) => {
      const input = h("input", { required: true, maxlength: "1024", dir: each.part === "file" ? "ltr" : "auto", placeholder: each.part === "file" ? "https://" : null, on: { input: () => { each.value = input.value.trim(); this.#show(); } } });
      return field(t(`templates.place.${each.part}`, { name: each.name }), input);
    }));
    this.#show();
  }

  #show() {
    this.#shown.replaceChildren(preview(this.#template, this.#given));
    this.#changed();
  }
}

// A file is given by its address.
const isGiven = ({ part, value }) => (part === "file" ? /^https:\/\/\S+$/.test(value) : Boolean(value));

// A dialog that sends one: `send(payload)` when they say so.
export function templateDialog(accountId, send) {
  const form = document.createElement("template-form");
  const go = button(t("templates.send"), () => {
    const made = form.payload;
    dialog.close();
    send(made);
  }, { class: "primary", disabled: true });
  const dialog = h("dialog", { "aria-label": t("templates.choose") }, h("h2", {}, t("templates.choose")), h("p", { class: "kind" }, t("templates.choose.about")), form,
    h("div", { class: "choices" }, go, button(t("cancel"), () => dialog.close())));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  form.connect(accountId, () => { go.disabled = !form.payload; });
}

customElements.define("template-form", TemplateForm);
