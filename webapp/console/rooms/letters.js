// Dead letters: what could not be processed or delivered, why, what to do; what a provider sent can be read again from here.

import { call, get } from "../api.js";
import { advice, because } from "../deliveries.js";
import { button, h, words } from "../dom.js";
import { exactly, explained, known, t, whenever } from "../i18n.js";
import { choice, notForYou, nothing, walked } from "../parts/forms.js";
import { resending } from "../parts/resend.js";

const PAGE = 50;
const STAGES = ["", "deliver", "persist", "fan_out", "receipts", "unreadable", "unclaimed"];
const SINCE = ["1h", "24h", "7d", "90d"];
const REPLAYABLE = ["unreadable", "unclaimed"];

export class LettersRoom extends HTMLElement {
  #store; #rows; #more; #stage; #since; #next = "";

  connect(store) {
    this.#store = store;
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
    if (!store.has("admin")) return this.replaceChildren(notForYou(t("letters.title"), "admin"));
    this.#stage = h("select", { id: "stage", on: { change: () => this.#load() } }, ...STAGES.map((each) => choice(each, t(`stage.${each || "any"}`))));
    this.#since = h("select", { id: "since", on: { change: () => this.#load() } }, ...SINCE.map((each) => choice(each, t(`since.${each}`), "7d")));
    this.#rows = h("ul", { class: "letters" });
    this.#more = button(t("more"), () => this.#page(), { hidden: true });
    this.replaceChildren(h("div", { class: "page" }, h("h1", {}, t("letters.title")), h("p", { class: "kind" }, t("letters.about")),
      h("div", { class: "filters" }, h("label", { for: "stage" }, t("letters.stage")), this.#stage, h("label", { for: "since" }, t("letters.since")), this.#since,
        button(t("refresh"), () => this.#load())),
      this.#rows, this.#more));
    this.#load();
  }

  show() {}

  leave() {}

  key(key) {
    return walked(this, ".letter summary", key);
  }

  #load() {
    this.#next = "";
    this.#rows.replaceChildren();
    return this.#page();
  }

  async #page() {
    try {
      const query = { limit: PAGE, since: this.#since.value, stage: this.#stage.value || undefined, after: this.#next || undefined };
      const found = await get("/v1/dead-letters", query);
      this.#next = found.next ?? "";
      this.#more.hidden = !this.#next;
      this.#rows.append(...found.dead_letters.map((each) => this.#letter(each)));
      if (!this.#rows.children.length) this.#rows.append(nothing("letters.empty"));
    } catch (problem) {
      this.#rows.append(h("li", { class: "trouble", role: "alert" }, explained(problem)));
    }
  }

  #letter(letter) {
    const facts = ["letter_id", "record", "delivery", "account", "message_id"].filter((name) => letter[name]);
    const body = h("div", { class: "letter-body" });
    return h("li", { class: "letter" }, h("details", {},
      h("summary", {}, h("span", { class: "badge" }, t(`stage.${letter.stage}`)), letter.channel ? h("span", { class: "badge" }, letter.channel) : null,
        words(this.#why(letter), "strong"), h("time", { datetime: letter.at, title: exactly(letter.at) }, whenever(letter.at))),
      h("p", {}, h("strong", {}, t("message.do")), " ", this.#advice(letter)),
      letter.message_id && letter.conversation_id ? h("p", {}, h("a", { href: `#/message/${letter.conversation_id}/${letter.message_id}` }, t("letters.way"))) : null,
      h("dl", {}, ...facts.flatMap((name) => [h("dt", {}, name), h("dd", {}, h("code", {}, letter[name]))])),
      REPLAYABLE.includes(letter.stage) ? this.#acts(letter, body) : letter.delivery && letter.message_id ? resending(letter.message_id) : this.#command(letter), body));
  }

  #why({ stage, reason }) {
    return stage === "unreadable" && !known(`reason.${reason}`) ? t("letters.unread", { reason }) : because(reason);
  }

  #advice({ stage, reason }) {
    return known(`advice.${reason}`) ? advice(reason) : t(`letters.do.${stage}`);
  }

  // What records need is done by a command, once the error is mended.
  #command({ record }) {
    return record ? h("p", {}, t("letters.command"), " ", h("code", {}, `celery -A tasks.app replay record ${record}`)) : null;
  }

  #acts({ letter_id: id }, body) {
    const path = `/v1/dead-letters/${encodeURIComponent(id)}`;
    const tell = (...nodes) => body.replaceChildren(...nodes);
    const tried = async (act) => {
      try {
        await act();
      } catch (problem) {
        tell(h("p", { class: "trouble", role: "alert" }, explained(problem)));
      }
    };
    const replay = (dry) => tried(async () => tell(this.#outcome(await call("POST", `${path}/replay`, { dry_run: dry }))));
    const read = () => tried(async () => tell(h("pre", { dir: "ltr", tabindex: "0", "aria-label": t("letters.body") }, (await get(path)).body)));
    return h("div", { class: "choices" }, button(t("letters.read"), read), button(t("letters.dry"), () => replay(true)),
      button(t("letters.replay"), () => replay(false), { class: "primary" }));
  }

  #outcome({ dry_run, messages, receipts, unreadable, unclaimed }) {
    const left = [...unreadable.map(because), ...unclaimed.map((each) => t("letters.unclaimed", { account: each }))];
    return h("div", { role: "status" }, h("p", {}, t(dry_run ? "letters.would" : "letters.did", { messages, receipts })),
      left.length ? h("p", {}, t("letters.left")) : null, left.length ? h("ul", {}, ...left.map((each) => words(each, "li"))) : null);
  }
}

customElements.define("letters-room", LettersRoom);
