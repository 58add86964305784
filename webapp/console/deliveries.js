// How far a message has come with each recipient, as ticks and in words.

import { h, spoken } from "./dom.js";
import { known, t } from "./i18n.js";

const SIGNS = { SENDING: "◌", PENDING: "◔", SENT: "✓", DELIVERED: "✓✓", READ: "✓✓", FAILED: "⚠", CANCELLED: "⊘" };
const RANK = { PENDING: 0, SENT: 1, CANCELLED: 0.5, FAILED: 2, DELIVERED: 3, READ: 4 };

// The state of each recipient: that of their best channel, and of a channel that of its slowest part. [{recipient, status, reason}]
export function byRecipient(deliveries) {
  const channels = new Map();
  for (const each of deliveries ?? []) {
    const key = `${each.recipient} ${each.channel}`;
    const before = channels.get(key);
    if (!before || worse(each, before)) channels.set(key, each);
  }
  const people = new Map();
  for (const each of channels.values()) {
    const before = people.get(each.recipient);
    if (!before || (RANK[each.status] ?? 0) > (RANK[before.status] ?? 0)) people.set(each.recipient, each);
  }
  return [...people.values()];
}

function worse(one, other) {
  return one.status === "FAILED" || (other.status !== "FAILED" && (RANK[one.status] ?? 0) < (RANK[other.status] ?? 0));
}

// Ticks of one state; `who`: whose they are, where there are several.
export function ticks(status, who = "") {
  const said = t(`state.${status}`);
  return h("span", { class: "ticks", data: { state: status }, title: who ? `${who}: ${said}` : said },
    who ? h("bdi", { class: "who" }, who) : null, h("span", { "aria-hidden": "true" }, SIGNS[status] ?? "?"), spoken(said));
}

// A reason, in words, and what to do about it.
export function because(reason) {
  return known(`reason.${reason}`) ? t(`reason.${reason}`) : t("reason.other", { reason });
}

// `said`: what the service says of it, for reasons that we have no words for.
export function advice(reason, said = "") {
  return known(`advice.${reason}`) ? t(`advice.${reason}`) : said || t("advice.other", { reason });
}
