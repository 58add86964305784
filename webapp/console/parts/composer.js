// Where one writes: words, files by choosing, dragging or pasting, what is answered or edited. What is not sent yet is kept.

import { upload } from "../api.js";
import { summary } from "../content.js";
import { button, h, iconButton, words } from "../dom.js";
import { bytes, explained, t } from "../i18n.js";
import { emojis } from "./emojis.js";
import { replies } from "./replies.js";
import { askWhen } from "./scheduled.js";

const KEPT = "chat4all-draft-";

// `send(payload, replyTo)`, `later(payload, replyTo, at)`, `edit(message, text)`; `typing()` while somebody writes; `note(text)` where notes can be written.
export class Composer extends HTMLElement {
  #id; #acts; #text; #about; #files; #target = null; #editing = null; #notice; #mode; #said; #send_label; #template;

  connect(id, acts) {
    [this.#id, this.#acts] = [id, acts];
    this.#text = h("textarea", {
      rows: "1", dir: "auto", "aria-label": t("composer.words"), placeholder: t("composer.words"), maxlength: "4096", enterkeyhint: "send",
      on: { input: () => this.#written(), keydown: (event) => this.#key(event), paste: (event) => this.#taken(event.clipboardData?.files, event) },
    });
    this.#template = iconButton("▤", t("templates.send_one"), () => {}, { hidden: true });
    this.#mode = acts.note ? button(t("note.mode"), () => this.note(!this.isNote), { class: "quiet", "aria-pressed": "false" }) : null;
    this.#said = h("p", { class: "kind", role: "status", hidden: true }, t("note.mode.on"));
    this.#send_label = h("span", { class: "spoken" }, t("composer.send"));
    this.#text.value = sessionStorage.getItem(KEPT + id) ?? "";
    this.#about = h("div", { class: "about", hidden: true });
    this.#files = h("ul", { class: "uploads", "aria-label": t("composer.files") });
    this.#notice = h("p", { class: "trouble", role: "alert", hidden: true });
    const chosen = h("input", { type: "file", multiple: true, hidden: true, "aria-label": t("composer.attach"),
      on: { change: () => { this.#taken(chosen.files); chosen.value = ""; } } });
    this.replaceChildren(h("form", { on: { submit: (event) => { event.preventDefault(); this.#send(); } } },
      this.#about, this.#files, this.#notice, this.#said,
      h("div", { class: "line" }, iconButton("📎", t("composer.attach"), () => chosen.click()), chosen, iconButton("☺", t("composer.emoji"), () => this.#emojis()),
        acts.note ? iconButton("⚡", t("replies.title"), () => replies(id, this.#text.value, (payload) => this.#chosen(payload))) : null, this.#template, acts.send ? iconButton("◷", t("later.title"), () => this.#later()) : null, this.#mode, this.#text,
        h("button", { class: "send", title: t("composer.send") }, h("span", { "aria-hidden": "true" }, "➤"), this.#send_label))));
    this.#fit();
    if (!acts.send) this.note(true);
  }

  // Files that were dropped anywhere on the conversation.
  take(files) {
    this.#taken(files);
  }

  // Once more shuts them.
  #emojis() {
    const there = this.querySelector(".emojis");
    if (there) return there.remove();
    const box = emojis((emoji) => {
      this.#text.setRangeText(emoji, this.#text.selectionStart, this.#text.selectionEnd, "end");
      this.#written();
      this.focus();
    });
    this.querySelector(".line").before(box);
    return box.querySelector("button").focus();
  }

  // From now on `open()` lets somebody choose a template; null: none goes there.
  templates(open) {
    this.#template.hidden = !open;
    this.#template.onclick = open;
  }

  focus() {
    this.#text.focus();
  }

  get isNote() {
    return this.#mode?.getAttribute("aria-pressed") === "true";
  }

  // Whether what is written now is a note for the team. Who may write nothing else writes notes.
  note(isNote) {
    if (!this.#mode) return;
    const isOn = isNote || !this.#acts.send;
    this.#mode.setAttribute("aria-pressed", String(isOn));
    this.classList.toggle("noting", isOn);
    this.#said.hidden = !isOn;
    this.#send_label.textContent = t(isOn ? "note.keep" : "composer.send");
    for (const name of ["aria-label", "placeholder"]) this.#text.setAttribute(name, t(isOn ? "note.write" : "composer.words"));
    if (isOn) [this.#target, this.#editing, this.#about.hidden] = [null, null, true];
    this.focus();
  }

  // What went wrong, or what is to be done first.
  say(problem, todo = "") {
    this.#notice.textContent = problem ? explained(problem) : todo;
    this.#notice.hidden = !this.#notice.textContent;
  }

  reply(message) {
    this.note(false);
    [this.#target, this.#editing] = [message, null];
    this.#tell(t("composer.answering"), summary(message));
  }

  edit(message) {
    this.note(false);
    [this.#target, this.#editing] = [null, message];
    this.#text.value = message.payload.text;
    this.#fit();
    this.#tell(t("composer.editing"), summary(message));
  }

  #tell(label, about) {
    this.#about.hidden = false;
    this.#about.replaceChildren(h("span", {}, h("strong", {}, label), " ", words(about)), iconButton("✕", t("composer.leave"), () => this.#leave()));
    this.focus();
  }

  #leave() {
    if (this.#editing) this.#text.value = "";
    [this.#target, this.#editing] = [null, null];
    this.#about.hidden = true;
    this.focus();
  }

  #key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "Escape" && !this.#about.hidden) {
      event.stopPropagation();
      this.#leave();
    }
  }

  #written() {
    this.#fit();
    this.say(null);
    sessionStorage.setItem(KEPT + this.#id, this.#text.value);
    if (this.#text.value && !this.#editing && !this.isNote) this.#acts.typing();
  }

  #fit() {
    this.#text.style.height = "auto";
    if (this.#text.scrollHeight) this.#text.style.height = `${Math.min(this.#text.scrollHeight, 200)}px`;
  }

  #send() {
    const text = this.#text.value.trim();
    if (!text) return;
    if (this.isNote) this.#acts.note(text);
    else if (this.#editing) this.#acts.edit(this.#editing, text);
    else this.#acts.send({ type: "text", text }, this.#target?.message_id);
    this.#empty();
  }

  #empty() {
    this.#text.value = "";
    [this.#target, this.#editing] = [null, null];
    this.#about.hidden = true;
    sessionStorage.removeItem(KEPT + this.#id);
    this.#fit();
  }

  // What stands there goes at a time; it stays there until the service has it.
  async #later() {
    const text = this.#text.value.trim();
    if (!text || this.isNote || this.#editing) return this.say(null, t("later.what"));
    const at = await askWhen(t("later.title"), t("later.send"));
    if (!at) return undefined;
    try {
      await this.#acts.later({ type: "text", text }, this.#target?.message_id, at);
      return this.#empty();
    } catch (problem) {
      return this.say(problem);
    }
  }

  #taken(files, event) {
    if (!files?.length || !this.#acts.send) return;
    event?.preventDefault();
    for (const file of files) this.#upload(file);
  }

  // Brought at once, sent when its sender says so.
  #upload(file) {
    const [id, key] = [this.#id, crypto.randomUUID()];
    const bar = h("progress", { max: "1", value: "0", "aria-label": t("composer.bringing", { name: file.name }) });
    const status = h("span", { class: "status" }, bar);
    const line = h("li", {}, words(file.name || "file"), ` (${bytes(file.size)}) `, status,
      iconButton("✕", t("composer.drop", { name: file.name }), () => line.remove()));
    this.#files.append(line);
    const go = () => upload(id, file, key, (part) => { bar.value = part; }).then((stored) => {
      const ready = button(t("composer.send_file"), () => {
        this.#acts.send({ type: "media", file_id: stored.file_id, ...this.#caption() }, this.#target?.message_id, stored);
        line.remove();
      }, { class: "primary" });
      status.replaceChildren(ready);
    }, (problem) => {
      status.replaceChildren(h("span", { class: "trouble", role: "alert" }, `${explained(problem)} `), button(t("bubble.again"), () => {
        status.replaceChildren(bar);
        go();
      }));
    });
    go();
  }

  // A saved reply: words stand in the composer to be changed; what has files is sent as it is.
  #chosen(payload) {
    if (payload.type !== "text") return this.#acts.send && this.#acts.send(payload);
    this.#text.value = payload.text;
    this.#written();
    return this.focus();
  }

  // The words that stand there go beside the file.
  #caption() {
    const text = this.#text.value.trim();
    if (!text || this.#editing) return {};
    this.#text.value = "";
    sessionStorage.removeItem(KEPT + this.#id);
    this.#fit();
    return { caption: text };
  }
}

customElements.define("message-composer", Composer);
