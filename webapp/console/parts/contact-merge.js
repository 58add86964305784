// Contacts that are one person: the other one is found, both are looked at side by side, and what was done can be undone.

import { call, get } from "../api.js";
import { called } from "../channels.js";
import { button, h, words } from "../dom.js";
import { exactly, t, whenever } from "../i18n.js";
import { sure, tried } from "./forms.js";
import { drop, offer } from "./undo.js";

const path = (id, act) => `/v1/contacts/${encodeURIComponent(id)}/${act}`;

// `contact` as it is; `show(contact)` what it is then.
export function sameAs(contact, show) {
  const place = h("div", {});
  const found = h("ul", { class: "places" });
  const find = h("input", { type: "search", "aria-label": t("merge.find"), placeholder: t("merge.find") });

  async function apart(other) {
    drop();
    await tried(place, async () => show(await call("POST", path(contact.contact_id, "unmerge"), { contact_id: other })));
  }

  async function merge(other) {
    if (!await sure(t("merge.title"), t("merge.about"), t("merge.do"), { danger: false, body: [sideBySide(contact, other)] })) return;
    await tried(place, async () => {
      const one = await call("POST", path(contact.contact_id, "merge"), { contact_id: other.contact_id });
      const leaving = one.merged[one.merged.length - 1].contact_id;
      show(one);
      offer(t("merge.done"), async () => {
        await call("POST", path(one.contact_id, "unmerge"), { contact_id: leaving });
        show(await get(`/v1/contacts/${encodeURIComponent(contact.contact_id)}`));
      });
    });
  }

  async function search(event) {
    event.preventDefault();
    const asked = find.value.trim();
    if (!asked) return;
    await tried(place, async () => {
      const others = (await candidates(asked)).filter((each) => each.contact_id !== contact.contact_id);
      found.replaceChildren(...others.map((each) => h("li", { class: "place" }, words(each.display_name || each.contact_id, "strong"),
        h("span", { class: "kind", dir: "auto" }, addresses(each)), button(t("merge.look"), () => merge(each)))));
      if (!others.length) found.replaceChildren(h("li", { class: "empty" }, h("p", { role: "status" }, t("merge.none"))));
    });
  }

  const merged = (contact.merged ?? []).map((each) => h("li", { class: "place" }, words(each.display_name || each.contact_id, "strong"),
    h("span", { class: "kind" }, each.merged_by ? t("merge.by", { who: each.merged_by, time: whenever(each.merged_at) }) : t("merge.by.provider", { time: whenever(each.merged_at) })),
    button(t("merge.apart"), () => apart(each.contact_id))));
  return h("section", { "aria-label": t("merge.section") }, h("h2", {}, t("merge.section")), h("p", { class: "kind" }, t("merge.section.about")),
    merged.length ? h("ul", { class: "places" }, ...merged) : "",
    h("form", { class: "filters", on: { submit: search } }, find, h("button", {}, t("contacts.search"))), place, found);
}

// Whoever has this address, or this tag.
async function candidates(asked) {
  return (await get("/v1/contacts", { limit: 20, ...(asked.includes(":") ? { address: asked } : { tag: asked }) })).contacts;
}

function addresses(contact) {
  return contact.addresses.map((each) => `${each.channel} ${each.address}`).join(" · ");
}

// What is kept of each. Where both say something else, the first one's counts: it stands on the left.
function sideBySide(one, other) {
  const rows = [
    [t("contacts.name"), (each) => each.display_name || "–"],
    [t("contacts.addresses"), (each) => addresses(each) || "–"],
    [t("contacts.tags"), (each) => each.tags.join(" ") || "–"],
    [t("contacts.notes"), (each) => each.notes || "–"],
    [t("contacts.consents"), consents],
    [t("block.state"), (each) => t(each.blocked ? "block.yes" : "block.no")],
    [t("webhooks.made"), (each) => exactly(each.created_at)],
  ];
  return h("table", { class: "side-by-side" }, h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col" }, t("merge.this")), h("th", { scope: "col" }, t("merge.other")))),
    h("tbody", {}, ...rows.map(([name, of]) => h("tr", {}, h("th", { scope: "row" }, name), words(of(one), "td"), words(of(other), "td")))));
}

function consents(contact) {
  return Object.entries(contact.consents ?? {}).map(([channel, { state }]) => `${called(channel)}: ${t(`contacts.consent.${state}`)}`).join(" · ") || "–";
}
