// Sound and notifications, for those who want them: kept for this browser, and off until they are chosen.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { summary } from "../content.js";

const KEPT = "chat4all-notify";
const MODIFIERS = ["reaction", "edit", "deletion"];
const QUIET_MS = 3000;

export class Notifier {
  #store; #wants; #last = 0; #audio = null;

  constructor(store) {
    this.#store = store;
    this.#wants = new Set((localStorage.getItem(KEPT) ?? "").split(",").filter(Boolean));
    store.stream.addEventListener("message", ({ detail }) => this.#told(detail));
  }

  // Where somebody chooses what they want.
  fields() {
    const said = h("p", { class: "trouble", role: "alert" });
    const boxes = ["sound", "notification"].map((each) => h("input", { type: "checkbox", checked: this.#wants.has(each), value: each,
      on: { change: ({ currentTarget }) => this.#choose(each, currentTarget, said) } }));
    return h("fieldset", {}, h("legend", {}, t("notify.title")), h("p", { class: "kind" }, t("notify.about")),
      ...boxes.map((each) => h("label", { class: "tick" }, each, t(`notify.${each.value}`))), said);
  }

  async #choose(what, box, said) {
    said.textContent = "";
    if (what === "notification" && box.checked && await Notification.requestPermission() !== "granted") {
      box.checked = false;
      said.textContent = t("notify.refused");
    }
    box.checked ? this.#wants.add(what) : this.#wants.delete(what);
    localStorage.setItem(KEPT, [...this.#wants].join(","));
    if (what === "sound" && box.checked) this.#ring();
  }

  // Somebody wrote to us, or to nobody in particular, and it is not being looked at.
  #told(message) {
    const id = message.conversation_id;
    const conversation = this.#store.conversations.get(id);
    const isSeen = id === this.#store.open && !document.hidden;
    const isOthers = conversation?.assignee && conversation.assignee !== this.#store.user.user_id;
    if (isSeen || isOthers || MODIFIERS.includes(message.payload.type) || this.#store.isOurs(message.sender, conversation)) return;
    if (!this.#wants.size || Date.now() - this.#last < QUIET_MS) return;
    this.#last = Date.now();
    if (this.#wants.has("sound")) this.#ring();
    if (this.#wants.has("notification") && Notification.permission === "granted") this.#show(message);
  }

  #show(message) {
    const shown = new Notification(message.sender_name || this.#store.name(message.sender), { body: summary(message), tag: message.conversation_id, icon: "/console/icon.svg" });
    shown.onclick = () => {
      window.focus();
      location.hash = `#/inbox/${message.conversation_id}`;
    };
  }

  // Two short tones, made here: nothing is loaded.
  #ring() {
    this.#audio ??= new AudioContext();
    const at = this.#audio.currentTime;
    const [tone, volume] = [this.#audio.createOscillator(), this.#audio.createGain()];
    tone.frequency.setValueAtTime(660, at);
    tone.frequency.setValueAtTime(880, at + 0.09);
    volume.gain.setValueAtTime(0.08, at);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.25);
    tone.connect(volume).connect(this.#audio.destination);
    tone.start(at);
    tone.stop(at + 0.25);
  }
}
