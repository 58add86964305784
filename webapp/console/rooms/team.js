// Team and keys: one's own password and logins; for those who may, somebody else's, and service clients with their secrets.

import { all, call } from "../api.js";
import { button, h, words } from "../dom.js";
import { exactly, explained, t } from "../i18n.js";
import { field, onlyNow, sure, tried, walked } from "../parts/forms.js";

const SCOPES = ["send", "manage", "admin"];

export class TeamRoom extends HTMLElement {
  #store; #told; #clients; #person;

  connect(store) {
    this.#store = store;
    this.tabIndex = 0;  // It scrolls, so keys must reach it.
    this.#told = h("div", {});
    this.#clients = h("ul", { class: "places" });
    this.#person = h("div", {});
    const isUser = store.user.kind === "person";
    this.replaceChildren(h("div", { class: "page" }, h("h1", {}, t("team.title")), this.#told,
      h("section", {}, h("h2", {}, t("team.me")), h("p", {}, words(store.user.display_name || store.user.user_id, "strong"), " ", h("span", { class: "kind" }, (store.user.scopes ?? []).join(", ") || t("team.user"))),
        isUser ? this.#password() : h("p", { class: "kind" }, t("team.me.client")), this.#logins("me")),
      store.has("manage") ? h("section", {}, h("h2", {}, t("team.person")), h("p", { class: "kind" }, t("team.person.about")), this.#find(), this.#person) : null,
      store.has("admin") ? h("section", {}, h("h2", {}, t("team.clients")), h("p", { class: "kind" }, t("team.clients.about")), this.#newClient(), this.#clients) : null));
    if (store.has("admin")) this.#list();
  }

  show() {}

  leave() {}

  key(key) {
    return walked(this, ".place", key);
  }

  #did(act) {
    return tried(this.#told, act);
  }

  #tell(...nodes) {
    this.#told.replaceChildren(...nodes);
    this.#told.scrollIntoView({ block: "nearest" });
  }

  #password() {
    const [old, fresh, place] = [secret("current-password"), secret("new-password", 8), h("div", {})];
    const submit = async (event) => {
      event.preventDefault();
      if (await tried(place, () => call("PUT", "/v1/users/me/password", { current_password: old.value, new_password: fresh.value }))) {
        [old.value, fresh.value] = ["", ""];
        place.replaceChildren(h("p", { role: "status" }, t("team.password.done")));
      }
    };
    return h("details", {}, h("summary", {}, t("team.password")), h("form", { class: "sheet", on: { submit } },
      field(t("team.password.old"), old), field(t("team.password.new"), fresh, t("team.password.about")), place,
      h("div", { class: "choices" }, h("button", { class: "primary" }, t("save")))));
  }

  // Somebody's logins: when they were used last, and an end to each.
  #logins(who) {
    const rows = h("ul", {});
    const path = `/v1/users/${encodeURIComponent(who)}/sessions`;
    const row = (each) => {
      const line = h("li", { class: "place" }, words(each.user_agent || t("team.login.unnamed"), "strong"), each.current ? h("span", { class: "badge" }, t("team.login.this")) : "",
        h("span", { class: "kind" }, t("team.login.used", { time: exactly(each.last_used_at) })),
        each.current ? "" : button(t("team.login.end"), () => this.#did(async () => { await call("DELETE", `${path}/${each.session_id}`); line.remove(); })));
      return line;
    };
    const load = async ({ currentTarget: { open } }) => {
      if (open) await tried(rows, async () => rows.replaceChildren(...(await all(path, "sessions")).map(row)));
    };
    return h("details", { on: { toggle: load } }, h("summary", {}, t("team.logins")), rows);
  }

  // Somebody by their id: there is no list of users to choose from.
  #find() {
    const who = h("input", { required: true, maxlength: "64", autocomplete: "off" });
    const submit = (event) => {
      event.preventDefault();
      this.#person.replaceChildren(this.#somebody(who.value.trim()));
    };
    return h("form", { class: "sheet", on: { submit } }, field(t("team.person.id"), who), h("div", { class: "choices" }, h("button", {}, t("team.person.open"))));
  }

  #somebody(who) {
    const path = `/v1/users/${encodeURIComponent(who)}`;
    const disable = async () => {
      if (await sure(t("team.disable"), t("team.disable.about"), t("team.disable"))) await this.#did(async () => {
        await call("POST", `${path}/disable`);
        this.#tell(h("p", { role: "status" }, t("team.disabled", { who })));
      });
    };
    const enable = () => this.#did(async () => {
      await call("POST", `${path}/enable`);
      this.#tell(h("p", { role: "status" }, t("team.enabled", { who })));
    });
    const reset = async () => {
      if (await sure(t("team.reset"), t("team.reset.about"), t("team.reset"))) await this.#did(async () => this.#tell(onlyNow(t("team.reset.new", { who }), (await call("POST", `${path}/reset-password`, {})).password)));
    };
    return h("div", { class: "sheet" }, words(who, "h3"), this.#logins(who),
      h("div", { class: "choices" }, button(t("team.reset"), reset), button(t("team.enable"), enable), button(t("team.disable"), disable, { class: "danger" })));
  }

  // Service clients.

  async #list() {
    try {
      this.#clients.replaceChildren(...(await all("/v1/clients", "clients")).map((each) => this.#client(each)));
    } catch (problem) {
      this.#clients.replaceChildren(h("li", { class: "trouble", role: "alert" }, explained(problem)));
    }
  }

  #client({ name, scopes, last_used_at: used, disabled_at: off }) {
    const path = `/v1/clients/${encodeURIComponent(name)}`;
    const isMe = name === this.#store.user.user_id;
    const rotate = async () => {
      if (await sure(t("team.rotate"), t("team.rotate.about"), t("team.rotate"))) await this.#did(async () => this.#tell(onlyNow(t("team.secret", { who: name }), (await call("POST", `${path}/rotate`)).client_secret)));
    };
    const remove = async () => {
      if (await sure(t("team.remove"), t("team.remove.about"), t("team.remove"))) await this.#did(async () => { await call("DELETE", path); await this.#list(); });
    };
    const turn = (how) => this.#did(async () => { await call("POST", `/v1/users/${encodeURIComponent(name)}/${how}`); await this.#list(); });
    return h("li", { class: "place" }, words(name, "strong"), ...scopes.map((each) => h("span", { class: "badge" }, each)),
      off ? h("span", { class: "light bad" }, t("team.off")) : "",
      h("span", { class: "kind" }, used ? t("team.login.used", { time: exactly(used) }) : t("team.unused")),
      isMe ? h("span", { class: "kind" }, t("team.itself")) : h("span", { class: "choices" }, button(t("team.rotate"), rotate),
        off ? button(t("team.enable"), () => turn("enable")) : button(t("team.disable"), () => turn("disable")), button(t("team.remove"), remove, { class: "danger" })));
  }

  #newClient() {
    const name = h("input", { required: true, maxlength: "64", pattern: "[A-Za-z0-9_.\\-]+", autocomplete: "off" });
    const scopes = SCOPES.map((each) => h("input", { type: "checkbox", value: each }));
    const place = h("div", {});
    const submit = async (event) => {
      event.preventDefault();
      await tried(place, async () => {
        const made = await call("POST", "/v1/clients", { name: name.value.trim(), scopes: scopes.filter((each) => each.checked).map((each) => each.value) });
        this.#tell(onlyNow(t("team.secret", { who: made.name }), made.client_secret));
        name.value = "";
        await this.#list();
      });
    };
    return h("details", {}, h("summary", {}, t("team.new")), h("form", { class: "sheet", on: { submit } }, field(t("team.name"), name, t("team.name.about")),
      h("fieldset", {}, h("legend", {}, t("team.scopes")), ...scopes.map((each) => h("label", { class: "tick" }, each, `${each.value}: ${t(`team.scope.${each.value}`)}`))),
      place, h("div", { class: "choices" }, h("button", { class: "primary" }, t("team.make")))));
  }
}

function secret(kind, least = null) {
  return h("input", { type: "password", required: true, autocomplete: kind, minlength: least });
}

customElements.define("team-room", TeamRoom);
