// What a message says, by its type. All of it is text, or a file behind a URL that was signed for us.

import { get } from "./api.js";
import { button, h, outward, words } from "./dom.js";
import { bytes, explained, known, t } from "./i18n.js";

const SHOWN_MOST = 10e6;
const COMING = ["uploading", "verifying"];
const QUOTED = 90;

// A line that stands for a message, as in a list or a quote.
export function summary(message) {
  const payload = message?.payload ?? {};
  const said = {
    text: () => payload.text,
    media: () => payload.caption || t(`content.${payload.kind}`),
    album: () => payload.caption || t("content.album", { count: payload.items?.length ?? 0 }),
    location: () => payload.name || t("content.location"),
    contact_cards: () => (payload.cards ?? []).map((each) => each.name).filter(Boolean).join(", ") || t("content.contact_cards"),
    choices: () => payload.text,
    answer: () => payload.title,
    poll: () => payload.question,
    deletion: () => t("content.deleted"),
  }[payload.type]?.();
  const line = String(said || payload.text || (known(`content.${payload.type}`) ? t(`content.${payload.type}`) : payload.type || ""));
  const short = line.length > QUOTED ? `${line.slice(0, QUOTED)}…` : line.replace(/\s+/g, " ");
  return message?.visibility === "internal" ? t("note.said", { words: short }) : short;
}

// The nodes of a message's content.
export function content(payload) {
  const show = SHOWN[payload.type];
  return show ? show(payload).filter(Boolean) : [unknown(payload)];
}

const LINK = /https?:\/\/[^\s<>"]+[^\s<>"'.,;:!?)\]}]/gi;

// Whether a page is named in what it says.
export const hasLink = ({ type, text, caption }) => ["text", "media", "album"].includes(type) && String(text || caption || "").search(LINK) >= 0;

// Words as they were said; addresses of pages in them lead there.
function line(text) {
  if (!text) return text;
  const [nodes, said] = [[], String(text)];
  let at = 0;
  for (const { 0: found, index } of said.matchAll(LINK)) {
    nodes.push(said.slice(at, index), outward(found, found));
    at = index + found.length;
  }
  return h("p", { class: "said", dir: "auto" }, ...nodes, said.slice(at));
}

const kind = (name, values) => h("p", { class: "kind" }, t(`content.${name}`, values));

const SHOWN = {
  text: (given) => [line(given.text)],
  media: (given) => [file(given), line(given.caption)],
  album: (given) => [h("div", { class: "album" }, ...(given.items ?? []).map((each) => file(each))), line(given.caption)],
  location: place,
  contact_cards: (given) => (given.cards ?? []).map(card),
  choices: choices,
  form: (given) => [kind("form"), line(given.text), pairs(given.answers)],
  answer: (given) => [h("p", { class: "chosen" }, h("span", { "aria-hidden": "true" }, "☑ "), words(given.title || given.data || given.option_id))],
  template: (given) => [kind("template", { name: given.name }), line(given.text), list(given.parameters?.body)],
  poll: (given) => [kind("poll"), line(given.question), list(given.options)],
  order: (given) => [kind("order"), list((given.items ?? []).map(ordered)), line(given.text)],
  shared_post: (given) => [kind("shared_post"), line(given.title), line(given.text), given.url && outward(given.url)],
  story: (given) => [kind("story"), line(given.text), given.url && outward(given.url)],
  call: (given) => [kind("call"), line(given.status), line(given.text)],
  chat_change: (given) => [kind("chat_change"), line(changed(given))],
  unsupported: (given) => [kind("unsupported", { kind: given.kind ?? "" }), line(given.text)],
  deletion: () => [h("p", { class: "gone" }, t("content.deleted"))],
};

const changed = (given) => {
  const people = (given.people ?? []).map((each) => each.name || each.id).join(", ");
  const what = t(`content.chat_change.${given.by ? "by." : ""}${CHANGES.has(given.kind) ? given.kind : "other"}`, { by: given.by ?? "" });
  return [what, people || given.text].filter(Boolean).join(": ");
};
const CHANGES = new Set(["joined", "left", "removed", "titled", "pinned"]);
const unknown = (payload) => words(`[${payload.type}] ${payload.text ?? ""}`, "p");
const ordered = (item) => [item.quantity, item.name || item.product_id, item.price, item.currency].filter(Boolean).join(" ");

function list(items) {
  return items?.length ? h("ul", {}, ...items.map((each) => words(each, "li"))) : null;
}

function pairs(given) {
  const rows = Object.entries(given ?? {});
  const said = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  return rows.length ? h("dl", {}, ...rows.flatMap(([name, value]) => [words(name, "dt"), words(said(value), "dd")])) : null;
}

function place(given) {
  const at = `${Number(given.latitude)},${Number(given.longitude)}`;
  const map = `https://www.openstreetmap.org/?mlat=${Number(given.latitude)}&mlon=${Number(given.longitude)}#map=16/${at.replace(",", "/")}`;
  return [
    h("p", { class: "kind" }, h("span", { "aria-hidden": "true" }, "📍 "), t("content.location")),
    line(given.name), line(given.address), h("p", {}, outward(map, at)),
  ];
}

function card(given) {
  const details = [given.organization, ...(given.phones ?? []), ...(given.emails ?? []), ...(given.addresses ?? []), given.birthday];
  return h("div", { class: "card" },
    h("p", {}, h("span", { "aria-hidden": "true" }, "👤 "), words(given.name || t("content.contact_cards"), "strong")),
    ...details.filter(Boolean).map((each) => words(each, "p")), ...(given.urls ?? []).map((each) => h("p", {}, outward(each))));
}

function choices(given) {
  const option = (each) => h("li", {}, words(each.title, "strong"), each.description ? words(` ${each.description}`) : null);
  return [
    line(given.header), line(given.text), h("ul", { class: "options" }, ...(given.options ?? []).map(option)),
    ...(given.links ?? []).map((each) => h("p", {}, outward(each.url, each.title))), line(given.footer),
  ];
}

// A file: pictures, films and sounds are shown; all can be saved. Its URL is asked for when it is needed, since it ends.
function file(given) {
  const box = h("div", { class: "file" });
  const name = given.filename || t(`content.${given.kind}`);
  const family = String(given.mime_type ?? "").split("/")[0];
  const shows = { image: picture, audio: sound, video: film }[family];
  box.append(...[shows?.(given, name), saving(given, name, box)].filter(Boolean));
  return box;
}

// What the stream tells of files: an event of a file's id when it came to an end of its way.
export const fileNews = new EventTarget();

// The file when it is there: one that a provider brings is a little later than its message.
async function arrived(given) {
  if (given.size) return given;
  const told = new Promise((resolve) => fileNews.addEventListener(given.file_id, () => resolve(), { once: true }));
  let found = await get(`/v1/files/${given.file_id}`);
  if (COMING.includes(found.status)) {
    await told;
    found = await get(`/v1/files/${given.file_id}`);
  }
  return found;
}

async function signed(given) {
  const { url } = await get(`/v1/files/${given.file_id}/presigned`);
  const { protocol, href } = new URL(url, location.href);
  if (!["http:", "https:"].includes(protocol)) throw new Error("no address of a file");
  return href;
}

// A large one is not shown before somebody saves it.
function picture(given, name) {
  if (given.size > SHOWN_MOST) return null;
  const image = h("img", { alt: name, class: given.kind === "sticker" ? "sticker" : "picture" });
  const seen = new IntersectionObserver(async (entries) => {
    if (!entries.some((each) => each.isIntersecting)) return;
    seen.disconnect();
    try {
      const found = await arrived(given);
      if (found.size > SHOWN_MOST) return image.remove();
      image.src = await signed(given);
    } catch {
      image.remove();  // It can be saved all the same, and why not is said then.
    }
  });
  seen.observe(image);
  return image;
}

const sound = (given, name) => player("audio", given, name);
const film = (given, name) => player("video", given, name);

function player(tag, given, name) {
  const play = button(t("file.play", { name }), async () => {
    const shown = h(tag, { controls: true, "aria-label": name, src: await signed(given) });
    play.replaceWith(shown);
    shown.play().catch(() => {});
  }, { class: "quiet" });
  return play;
}

function saving(given, name, box) {
  const label = h("span", {}, h("span", { "aria-hidden": "true" }, "⤓ "), words(name), given.size ? ` (${bytes(given.size)})` : "");
  return button(label, async () => {
    try {
      const link = h("a", { href: await signed(given), download: name, rel: "noopener noreferrer", target: "_blank" });
      link.click();
    } catch (problem) {
      box.append(h("p", { class: "trouble", role: "alert" }, explained(problem)));
    }
  }, { class: "quiet save", "aria-label": t("file.save", { name }) });
}
