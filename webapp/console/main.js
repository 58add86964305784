// The page: who is there, which room is open, and what keys do.

import { session, signals, signOut } from "./api.js";
import { fileNews } from "./content.js";
import { button, h, iconButton, words } from "./dom.js";
import { choose, explained, language, LANGUAGES, t } from "./i18n.js";
import { drop, undone } from "./parts/undo.js";
import { signInRoom } from "./rooms/sign-in.js";
import { Pulse } from "./rooms/health.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { field, told } from "./parts/forms.js";
import { previewChoice } from "./parts/link-preview.js";
import { Notifier } from "./parts/notifier.js";
import "./rooms/accounts.js";
import "./rooms/broadcasts.js";
import "./rooms/contacts.js";
import "./rooms/inbox.js";
import "./rooms/letters.js";
import "./rooms/message.js";
import "./rooms/scheduled.js";
import "./rooms/team.js";
import "./rooms/templates.js";
import "./rooms/webhooks.js";

// Rooms by their place in the address. `scope`: of those who find it in the bar; `key`: the letter behind g that leads there.
const ROOMS = {
  inbox: { element: "inbox-room", key: "i" },
  message: { element: "message-room" },
  scheduled: { element: "scheduled-room", key: "s" },
  contacts: { element: "contacts-room", key: "c", scope: "manage" },
  broadcasts: { element: "broadcasts-room", key: "b", scope: "manage" },
  templates: { element: "templates-room", key: "p", scope: "manage" },
  accounts: { element: "accounts-room", key: "n", scope: "manage" },
  webhooks: { element: "webhooks-room", key: "w", scope: "manage" },
  letters: { element: "letters-room", key: "l", scope: "admin" },
  health: { element: "health-room", key: "h" },
  team: { element: "team-room", key: "t" },
};
const GO = Object.fromEntries(Object.entries(ROOMS).filter(([, each]) => each.key).map(([name, each]) => [each.key, name]));
const KEYS = ["j / k", "/", "r", "e", "+", "d", "m", "u", "a", "c", "s", "n", "z", ...Object.keys(GO).map((each) => `g ${each}`), "?"];
const GO_MS = 1200;

let here = null;  // {session, stream, store, pulse, room, name, bar}: `bar` ends what the bar above listens to.

function show(...nodes) {
  document.body.replaceChildren(...nodes);
}

async function begin() {
  choose();
  try {
    const found = await session();
    found ? enter(found) : door("");
  } catch (problem) {
    show(h("main", { class: "empty" }, h("p", { role: "alert" }, explained(problem)), button(t("again"), () => location.reload(), { class: "primary" })));
  }
}

function door(why) {
  document.title = t("title");
  show(signInRoom(why, enter));
  document.querySelector("#name").focus();
}

function enter(found) {
  const everything = ["manage", "admin"].some((each) => found.user.scopes?.includes(each));
  const stream = new Stream(found.events_url, everything);
  const store = new Store(found.user, stream, found.links);
  stream.addEventListener("file", ({ detail }) => fileNews.dispatchEvent(new Event(detail.file_id)));
  here = { session: found, stream, store, notifier: new Notifier(store), pulse: new Pulse(stream), room: null, name: "" };
  build();
  stream.start();
}

function leave(why) {
  here?.room?.leave();
  here?.stream.stop();
  here = null;
  sessionStorage.clear();
  drop();
  door(why);
}

function build() {
  const { session: { user }, stream, store } = here;
  const line = h("span", { class: "light", role: "status" });
  const tell = () => {
    line.className = `light ${stream.state === "live" ? "good" : "bad"}`;
    line.textContent = t(stream.state === "live" ? "line.live" : "line.waiting");
  };
  here.bar?.abort();
  here.bar = new AbortController();
  const { signal } = here.bar;
  stream.addEventListener("line", tell, { signal });
  store.addEventListener("list", title, { signal });
  tell();
  show(
    h("header", { class: "bar" },
      h("a", { href: "#/inbox", class: "brand", "aria-label": "Chat4All" }, h("img", { src: "/console/icon.svg", alt: "", width: "28", height: "28" }), h("span", {}, "Chat4All")),
      h("nav", { "aria-label": t("rooms") }, ...visible().map((each) => h("a", { href: `#/${each}`, data: { room: each } }, t(`room.${each}`)))),
      line, iconButton("⚙", t("settings.title"), settings), iconButton("?", t("keys.title"), help),
      words(user.display_name || user.user_id, "span", { class: "user" }), button(t("sign_out"), goOut, { class: "quiet" })),
    h("main", { id: "room" }));
  open();
}

// Those that lead to something: others say what it takes when they are opened by their address.
function visible() {
  return Object.values(GO).filter((name) => !ROOMS[name].scope || here.store.has(ROOMS[name].scope));
}

function title() {
  const fresh = here ? [...here.store.fresh.values()].reduce((sum, each) => sum + each, 0) : 0;
  document.title = fresh ? `(${fresh > 99 ? "99+" : fresh}) ${t("title")}` : t("title");
}

async function goOut() {
  try {
    await signOut();
    leave(t("sign_in.out"));
  } catch (problem) {
    if (here) show(h("main", { class: "empty" }, h("p", { role: "alert" }, explained(problem)), button(t("again"), goOut, { class: "primary" })));
  }
}

function speak(chosen) {
  choose(chosen);
  here.room?.leave();
  [here.room, here.name] = [null, ""];
  build();
}

// Rooms by the address: #/room/what/…
function open() {
  if (!here) return;
  const [name, ...what] = location.hash.replace(/^#\//, "").split("/").map((each) => decodeURIComponent(each));
  const room = ROOMS[name] ? name : "inbox";
  if (room !== here.name) {
    here.room?.leave();
    drop();
    here.room = document.createElement(ROOMS[room].element);
    here.name = room;
    document.querySelector("#room").replaceChildren(here.room);
    here.room.connect(here.store, here.pulse);
  }
  for (const each of document.querySelectorAll("nav a")) {
    each.dataset.room === room ? each.setAttribute("aria-current", "page") : each.removeAttribute("aria-current");
    if (each.dataset.room === room) each.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  here.room.show(room === name ? what.filter(Boolean) : []);
}

// Keys.

let went = 0;

function pressed(event) {
  const isWriting = event.target.matches?.("input, textarea, select") || document.querySelector("dialog[open]");
  if (event.key === "Escape" && event.target.matches?.("input, textarea")) return event.target.blur();
  if (!here || isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
  const isGoing = Date.now() - went < GO_MS;
  went = 0;
  if (isGoing && GO[event.key]) location.hash = `#/${GO[event.key]}`;
  else if (event.key === "g") went = Date.now();
  else if (event.key === "?") help();
  else if (event.key === "z" && undone()) event.preventDefault();
  else if (!here.room?.key(event.key)) return;
  event.preventDefault();
}

function help() {
  told(t("keys.title"), h("dl", { class: "keys" }, ...KEYS.flatMap((each) => [h("dt", {}, h("kbd", {}, each)), h("dd", {}, t(`keys.${each}`))])));
}

// What somebody chooses for this browser.
function settings() {
  const languages = h("select", { on: { change: () => { dialog.close(); speak(languages.value); } } },
    ...Object.entries(LANGUAGES).map(([value, label]) => h("option", { value, selected: value === language, lang: value }, label)));
  const dialog = told(t("settings.title"), h("p", { class: "kind" }, t("settings.about")), field(t("language"), languages), here.notifier.fields(), here.store.has("manage") ? previewChoice() : null);
}

signals.addEventListener("signed-out", () => here && leave(t("sign_in.ended")));
addEventListener("hashchange", open);
addEventListener("keydown", pressed);
begin();
