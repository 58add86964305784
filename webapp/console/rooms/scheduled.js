// Scheduled: all that is to be sent later, by its time.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { walked } from "../parts/forms.js";
import "../parts/scheduled.js";

export class ScheduledRoom extends HTMLElement {
  connect(store) {
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
    const list = document.createElement("scheduled-list");
    this.replaceChildren(h("div", { class: "page" }, h("h1", {}, t("scheduled.title")), h("p", { class: "kind" }, t("scheduled.about")), list));
    list.connect(store);
  }

  show() {}

  leave() {}

  key(key) {
    return walked(this, ".place button", key);
  }
}

customElements.define("scheduled-room", ScheduledRoom);
