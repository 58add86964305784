// Accounts at providers: the list of them, the guide to a new one, and one of them (parts/account.js).

import { all, call } from "../api.js";
import { h } from "../dom.js";
import { t } from "../i18n.js";
import { health, title } from "../parts/account.js";
import { GUIDES, guide } from "../parts/account-guide.js";
import { listed, notForYou, tried, walked } from "../parts/forms.js";

export class AccountsRoom extends HTMLElement {
  #store; #fresh = null;

  connect(store) {
    this.#store = store;
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
  }

  // `[account_id]`, `["new", channel]`, or nothing for the list
  show([id, channel]) {
    if (!this.#store.has("manage")) return this.replaceChildren(notForYou(t("accounts.title"), "manage"));
    if (!id) return this.#list();
    if (id === "new" && GUIDES[channel]) return this.#guide(channel);
    const account = document.createElement("provider-account");
    this.replaceChildren(account);
    account.connect(this.#store, id, this.#fresh?.id === id ? this.#fresh.verify : "");
    this.#fresh = null;
    return undefined;
  }

  leave() {}

  key(key) {
    return walked(this, ".place", key);
  }

  #list() {
    this.replaceChildren(h("div", { class: "page" }, h("h1", {}, t("accounts.title")), h("p", { class: "kind" }, t("accounts.about")), listed(all("/v1/accounts", "accounts"), row, "accounts.empty"),
      h("h2", {}, t("accounts.new")), h("p", { class: "kind" }, t("accounts.new.about")),
      h("div", { class: "choices" }, ...Object.keys(GUIDES).map((each) => h("a", { class: "way-in", href: `#/accounts/new/${each}` }, t(`channel.${each}`))))));
  }

  #guide(channel) {
    const key = crypto.randomUUID();
    const page = guide(channel, (asked, place) => tried(place, async () => {
      const made = await call("POST", "/v1/accounts", asked, { "Idempotency-Key": key });
      this.#fresh = { id: made.account_id, verify: asked.credentials.verify_token ?? "" };
      location.hash = `#/accounts/${made.account_id}`;
    }));
    this.replaceChildren(page);
  }
}

function row(account) {
  return h("li", {}, h("a", { class: "place", href: `#/accounts/${encodeURIComponent(account.account_id)}` },
    ...title(account), health(account),
    h("span", { class: "kind" }, [account.provider_account_id, account.simulated ? "" : t(`accounts.by.${account.managed_by}`), account.in_use ? t("accounts.in_use") : ""].filter(Boolean).join(" · "))));
}

customElements.define("accounts-room", AccountsRoom);
