// One message as people see it: who speaks, what it answers, what it says, what was said of it, and how far it has come.

import { content, summary } from "../content.js";
import { byRecipient, ticks } from "../deliveries.js";
import { button, h, iconButton, words } from "../dom.js";
import { clock, exactly, explained, t } from "../i18n.js";
import { linkPreview } from "./link-preview.js";

export const EMOJIS = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

// `acts`: what can be done with it: reply, react, edit, remove, again, discard.
export function bubble(message, { store, conversation, thread, acts }) {
  const isOurs = store.isOurs(message.sender, conversation);
  const name = store.isInbox(message.sender) ? t("team.speaks") : message.sender_name || store.name(message.sender);
  const isGone = Boolean(message.deleted_at);
  const isNote = message.visibility === "internal";
  return h("li", { class: `bubble ${isNote ? "note" : isOurs ? "ours" : "theirs"}`, tabindex: "-1", data: { id: message.message_id, sender: message.sender } },
    h("article", { "aria-label": t("bubble.of", { name }) },
      h("header", {}, words(name, "span", { class: "speaker" }), isNote ? h("span", { class: "kind" }, t("note.of")) : null,
        message.forwarded ? h("span", { class: "kind" }, t("bubble.forwarded")) : null,
        message.origin?.app ? h("span", { class: "kind" }, t("bubble.in_app")) : null),
      message.reply_to ? quote(message.reply_to, thread, store) : null,
      h("div", { class: "content" }, ...content(message.payload)),
      isGone || !store.has("manage") ? null : linkPreview(message),
      votes(message, store),
      reactions(message, store),
      foot(message, store, isOurs, acts)),
    message.sending === "UNSENT" ? unsent(message, acts) : message.sending || isGone ? null : tools(message, isOurs, acts));
}

function quote(messageId, thread, store) {
  const box = h("blockquote", { class: "quote" }, t("bubble.answers"));
  thread.lookUp(messageId).then((found) => {
    if (!found) return;
    box.replaceChildren(words(found.sender_name || store.name(found.sender), "cite"), words(summary(found), "span"));
  });
  return box;
}

// How a poll stands: by option, how many chose it, and who, where that is told.
function votes(message, store) {
  if (!message.votes?.length) return null;
  const row = (title, place) => {
    const chose = message.votes.filter((each) => each.options?.includes(place + 1));
    const counted = message.votes.reduce((sum, each) => sum + (each.counts?.[place] ?? 0), chose.length);
    const names = chose.map((each) => each.sender_name || store.name(each.sender)).join(", ");
    return h("li", { title: names }, words(`${title}: ${counted}`), names ? h("span", { class: "spoken" }, names) : null);
  };
  return h("ul", { class: "votes", "aria-label": t("bubble.votes") }, ...(message.payload.options ?? []).map(row));
}

function reactions(message, store) {
  if (!message.reactions?.length) return null;
  return h("ul", { class: "reactions", "aria-label": t("bubble.reactions") },
    ...message.reactions.map((each) => h("li", { title: each.sender_name || store.name(each.sender) }, words(each.emoji),
      h("span", { class: "spoken" }, each.sender_name || store.name(each.sender)))));
}

function foot(message, store, isOurs, acts) {
  return h("footer", {},
    message.edited_at ? h("span", { class: "edited", title: exactly(message.edited_at) }, t("bubble.edited")) : null,
    h("time", { datetime: message.accepted_at, title: exactly(message.accepted_at) }, clock(message.accepted_at)),
    isOurs ? state(message, store, acts) : null);
}

function state(message, store, acts) {
  if (message.sending === "SENDING") return ticks("SENDING");
  if (message.sending === "ACCEPTED") return h("span", { class: "ticks", data: { state: "ACCEPTED" } }, t("state.ACCEPTED"));
  if (message.sending) return ticks("FAILED");
  if (message.visibility === "internal") return null;
  const people = byRecipient(message.deliveries);
  const several = people.length > 1;
  return h("a", { class: "way", href: `#/message/${message.conversation_id}/${message.message_id}`, title: t("bubble.way") },
    people.length ? people.slice(0, 6).map((each) => ticks(each.status, several ? store.name(each.recipient) : "")) : ticks("PENDING"),
    people.length > 6 ? h("span", {}, `+${people.length - 6}`) : null);
}

function unsent(message, acts) {
  return h("p", { class: "trouble", role: "alert" }, `${t("bubble.unsent")} ${explained(message.problem)} `,
    button(t("bubble.again"), () => acts.again(message)), button(t("bubble.discard"), () => acts.discard(message)));
}

function tools(message, isOurs, acts) {
  const isText = message.payload.type === "text";
  const isNote = message.visibility === "internal";
  const isDeletable = isOurs && message.payload.type !== "deletion";
  return h("div", { class: "tools", role: "group", "aria-label": t("bubble.tools") },
    acts.reply && !isNote ? iconButton("↩", t("bubble.reply"), () => acts.reply(message)) : null,
    acts.react && !isNote ? iconButton("☺", t("bubble.react"), (event) => acts.choose(message, event.currentTarget)) : null,
    acts.edit && isOurs && isText ? iconButton("✎", t("bubble.edit"), () => acts.edit(message)) : null,
    acts.remove && isDeletable ? iconButton("🗑", t("bubble.remove"), () => acts.remove(message)) : null,
    h("a", { class: "icon", href: `#/message/${message.conversation_id}/${message.message_id}`, title: t("bubble.way"), "aria-label": t("bubble.way") },
      h("span", { "aria-hidden": "true" }, "⇢")));
}
