// One conversation: what was said, and where one writes. It shows a window of the history, which moves with the reader.

import { call } from "../api.js";
import { called } from "../channels.js";
import { arrange, button, calmly, h, iconButton, words } from "../dom.js";
import { day, explained, t } from "../i18n.js";
import { Thread } from "../thread.js";
import { bubble, EMOJIS } from "./bubble.js";
import "./composer.js";
import { sure } from "./forms.js";
import "./handling.js";
import "./typing-line.js";
import "./window-bar.js";

const NEAR = 120;
const TYPING_MS = 3000;

export class ConversationView extends HTMLElement {
  #store; #id = ""; #thread; #list; #scroll; #composer; #below; #marked = 0; #typed = 0; #picker; #handling; #later; #shown = new Map(); #changes = new Set();
  #soon = calmly(() => this.#draw());

  async show(store, id) {
    if (id === this.#id && id) return;
    this.leave();
    [this.#store, this.#id] = [store, id];
    if (!id) return this.replaceChildren(h("div", { class: "empty" }, h("p", {}, t("conversation.none")), h("p", {}, t("conversation.none.do"))));
    const conversation = store.conversations.get(id) ?? await store.refresh(id).catch(() => null);
    if (this.#id !== id) return;
    if (!conversation) return this.replaceChildren(h("div", { class: "empty" }, h("p", { role: "alert" }, t("conversation.unknown")), h("p", {}, h("a", { href: "#/inbox" }, t("conversation.back")))));
    this.#build(conversation);
    await this.#thread.latest().catch((problem) => this.#trouble(problem));
  }

  leave() {
    this.#thread?.close();
    [this.#id, this.#thread, this.#marked] = ["", null, 0];
    this.#shown.clear();
    this.#changes.clear();
  }

  get #conversation() {
    return this.#store.conversations.get(this.#id);
  }

  #build(conversation) {
    const store = this.#store;
    this.#thread = new Thread(store, this.#id);
    this.#thread.addEventListener("change", ({ detail }) => this.#changed(detail));
    this.#thread.addEventListener("refused", ({ detail }) => this.#composer?.say(detail));
    this.#list = h("ol", { class: "bubbles" });
    this.#scroll = h("div", { class: "scroll", tabindex: "0", role: "log", "aria-label": t("conversation.messages"), on: { scroll: () => this.#scrolled() } }, this.#list);
    this.#below = button(t("conversation.below"), () => this.#toEnd(), { class: "below primary", hidden: true });
    const people = conversation.members.filter((each) => each.kind !== "inbox").length;
    this.replaceChildren(
      h("header", { class: "head" }, h("a", { class: "icon back", href: "#/inbox", "aria-label": t("conversation.back"), title: t("conversation.back") }, h("span", { "aria-hidden": "true" }, "←")),
        h("div", {}, words(store.title(conversation), "h2"),
          h("p", { class: "kind" }, [called(store.channel(conversation)), people > 2 ? t("conversation.people", { count: people }) : ""].filter(Boolean).join(" · "))),
        this.#handled()),
      this.#scroll, this.#below, this.#types(), this.#foot(conversation));
    this.ondragover = (event) => this.#composer && event.preventDefault();
    this.ondrop = (event) => {
      event.preventDefault();
      this.#composer?.take(event.dataTransfer.files);
    };
  }

  #types() {
    const line = document.createElement("typing-line");
    line.connect(this.#store, this.#id);
    return line;
  }

  // For those who answer, as the service says: others are not told how a conversation is handled.
  #handled() {
    this.#handling = null;
    if (!this.#store.has("manage")) return null;
    this.#handling = document.createElement("handling-bar");
    this.#handling.connect(this.#store, this.#id, () => this.#thread.messages.findLast((each) => each.seq)?.seq);
    return this.#handling;
  }

  #foot(conversation) {
    this.#composer = null;
    const [may, team] = [Boolean(this.#store.writer(conversation)), this.#store.has("manage")];
    if (!may && !team) return h("p", { class: "notice" }, t("conversation.only_read"));
    this.#composer = document.createElement("message-composer");
    this.#composer.connect(this.#id, {
      send: may && ((payload, replyTo, file) => this.#send(payload, replyTo, file)),
      later: (payload, replyTo, at) => this.#schedule(conversation, payload, replyTo, at),
      edit: (message, text) => this.#thread.send({ type: "edit", target: message.message_id, content: { type: "text", text } }),
      typing: () => this.#type(),
      note: team && ((text) => this.#thread.send({ type: "text", text }, "", {}, "internal")),
    });
    this.#later = document.createElement("scheduled-list");
    this.#later.connect(this.#store, this.#id);
    return h("div", {}, this.#later, may ? this.#windows(team) : null, this.#composer);
  }

  // Kept by the service until its time; it is shown below until then.
  async #schedule(conversation, payload, replyTo, at) {
    const writer = this.#store.writer(conversation);
    await call("POST", "/v1/messages", { message_id: crypto.randomUUID(), conversation_id: this.#id, payload, send_at: at,
      ...(replyTo ? { reply_to: replyTo } : {}), ...(writer === this.#store.user.user_id ? {} : { from: writer }) });
    await this.#later.load();
  }

  // What goes to whom at the moment.
  #windows(team) {
    const bar = document.createElement("window-bar");
    bar.connect(this.#store, this.#id, {
      template: team && ((payload) => this.#send(payload)),
      offered: (open) => this.#composer?.templates(open),
      hold: (isOn) => { this.#thread.holds = isOn; },
    });
    return bar;
  }

  #send(payload, replyTo, file) {
    const shown = file ? { filename: file.filename, mime_type: file.mime_type, size: file.size } : {};
    this.#thread.send(payload, replyTo, shown);
  }

  #type() {
    if (Date.now() - this.#typed < TYPING_MS) return;
    this.#typed = Date.now();
    call("POST", `/v1/conversations/${this.#id}/typing`).catch(() => {});
  }

  #acts() {
    const may = Boolean(this.#composer && this.#store.writer(this.#conversation));
    return {
      again: (message) => this.#thread.again(message),
      discard: (message) => this.#thread.discard(message),
      reply: may && ((message) => this.#composer.reply(message)),
      react: may,
      choose: (message, beside) => this.#choose(message, beside),
      edit: may && ((message) => this.#composer.edit(message)),
      remove: may && ((message) => this.#remove(message)),
    };
  }

  #choose(message, beside) {
    this.#picker?.remove();
    const react = (emoji) => {
      this.#picker.remove();
      this.#thread.send({ type: "reaction", target: message.message_id, emoji });
    };
    this.#picker = h("div", { class: "picker", role: "group", "aria-label": t("bubble.react") },
      ...EMOJIS.map((each) => iconButton(each, t("bubble.react_with", { emoji: each }), () => react(each))),
      iconButton("✕", t("bubble.react_none"), () => react("")));
    beside.closest(".bubble").append(this.#picker);
    this.#picker.querySelector("button").focus();
  }

  // Said once more before it is done: people who have it may lose it.
  async #remove(message) {
    if (await sure(t("bubble.remove"), t("remove.sure"), t("remove.yes"))) this.#thread.send({ type: "deletion", target: message.message_id });
  }

  // What was asked for is drawn at once; what is told, a few times a second, however much it is.
  #changed(how) {
    if (how === "beyond") return void (this.#below.hidden = false);
    this.#changes.add(how);
    return ["all", "older", "newer"].includes(how) ? this.#draw() : this.#soon();
  }

  #draw() {
    const changes = new Set(this.#changes);
    this.#changes.clear();
    if (!this.#thread || !changes.size) return;
    const atEnd = this.#isAtEnd();
    const anchor = this.#anchor();
    arrange(this.#list, this.#lines());
    if (changes.has("all") || (atEnd && !changes.has("older"))) this.#toBottom();
    else if (anchor) this.#restore(anchor);
    if (changes.has("new") && !atEnd) this.#below.hidden = false;
    if (this.#isAtEnd()) this.#read();
  }

  // Bubbles that did not change stay what they are: so pictures do not load again, and nobody loses their place.
  #lines() {
    const [lines, shown] = [[], new Map()];
    let [last, before] = ["", null];
    const context = { store: this.#store, conversation: this.#conversation, thread: this.#thread, acts: this.#acts() };
    for (const message of this.#thread.messages) {
      const today = day(message.accepted_at);
      if (today !== last) {
        const line = (!shown.has(today) && this.#shown.get(today)?.node) || h("li", { class: "day" }, h("span", {}, today));
        shown.set(today, { node: line });
        lines.push(line);
        before = null;
      }
      last = today;
      const version = JSON.stringify(message);
      const drawn = this.#shown.get(message.message_id);
      const node = drawn?.version === version ? drawn.node : bubble(message, context);
      node.classList.toggle("goes-on", isSame(before, message));
      shown.set(message.message_id, { version, node });
      lines.push(node);
      before = message;
    }
    this.#shown = shown;
    if (!lines.length) lines.push(h("li", { class: "day" }, h("span", {}, t("conversation.empty"))));
    return lines;
  }

  #anchor() {
    const top = this.#scroll.getBoundingClientRect().top;
    const node = [...this.#list.children].find((each) => each.dataset.id && each.getBoundingClientRect().bottom > top);
    return node && { id: node.dataset.id, offset: node.getBoundingClientRect().top - top };
  }

  #restore({ id, offset }) {
    const node = this.#shown.get(id)?.node;
    if (node) this.#scroll.scrollTop += node.getBoundingClientRect().top - this.#scroll.getBoundingClientRect().top - offset;
  }

  #isAtEnd() {
    return this.#thread.atEnd && this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < NEAR;
  }

  #toBottom() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#below.hidden = true;
  }

  async #toEnd() {
    if (!this.#thread.atEnd) await this.#thread.latest().catch((problem) => this.#trouble(problem));
    this.#toBottom();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    if (scrollTop < NEAR) this.#thread.older().catch((problem) => this.#trouble(problem));
    else if (scrollHeight - scrollTop - clientHeight < NEAR) {
      if (this.#thread.atEnd) this.#below.hidden = true;
      this.#thread.newer().catch((problem) => this.#trouble(problem));
    }
  }

  // How far we have read: members and those who answer say so, in the view that is looked at.
  #read() {
    const newest = this.#thread.messages.findLast((each) => each.seq)?.seq ?? 0;
    const isMember = this.#conversation?.members.some((each) => each.user_id === this.#store.user.user_id);
    if (!(isMember || this.#store.has("manage")) || newest <= this.#marked || document.hidden) return;
    this.#marked = newest;
    call("POST", `/v1/conversations/${this.#id}/read`, { up_to: newest }).catch(() => {});
  }

  #trouble(problem) {
    this.#list?.replaceChildren(h("li", { class: "trouble", role: "alert" }, `${explained(problem)} `, button(t("again"), () => this.#thread.latest().catch((each) => this.#trouble(each)))));
  }

  // Keys of the list of messages; false for those that are not ours at the moment.
  key(key) {
    if (!this.#thread) return false;
    const focused = document.activeElement?.closest?.(".bubble");
    const message = focused && this.#thread.find(focused.dataset.id);
    if ((key === "j" || key === "k") && focused) return this.#step(focused, key === "j");
    if (key === "m") return this.#focusLast();
    if (key === "r" && this.#composer) message ? this.#composer.reply(message) : this.#composer.focus();
    else if (key === "n" && this.#composer) this.#composer.note(true);
    else if (key === "e" && this.#composer) this.#editLast(message);
    else if (key === "+" && message && this.#composer) this.#choose(message, focused.firstElementChild);
    else if (this.#handling?.key(key)) return true;
    else if (key === "d" && message) location.hash = `#/message/${this.#id}/${message.message_id}`;
    else return false;
    return true;
  }

  #step(focused, isDown) {
    let next = focused;
    do next = isDown ? next.nextElementSibling : next.previousElementSibling; while (next && !next.matches(".bubble"));
    next?.focus();
    return true;
  }

  #focusLast() {
    [...this.#list.querySelectorAll(".bubble")].at(-1)?.focus();
    return true;
  }

  #editLast(message) {
    const own = (each) => each.payload.type === "text" && !each.sending && !each.deleted_at && this.#store.isOurs(each.sender, this.#conversation);
    const chosen = message && own(message) ? message : this.#thread.messages.findLast(own);
    if (chosen) this.#composer.edit(chosen);
  }
}

// Whether the same one goes on speaking: then their name is not said again.
function isSame(before, message) {
  return Boolean(before) && ["sender", "sender_name", "visibility", "forwarded"].every((each) => before[each] === message[each]) && message.visibility !== "internal" && !message.origin?.app;
}

customElements.define("conversation-view", ConversationView);
