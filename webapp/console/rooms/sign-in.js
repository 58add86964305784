// The door: name and password, in exchange for a session that no script can read.

import { Problem, signIn } from "../api.js";
import { h } from "../dom.js";
import { explained, t } from "../i18n.js";

// `why`: what to say first; `entered(session)` is called with the session.
export function signInRoom(why, entered) {
  const name = h("input", { id: "name", name: "username", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false", dir: "ltr" });
  const secret = h("input", { id: "secret", name: "password", type: "password", autocomplete: "current-password", required: true, dir: "ltr" });
  const notice = h("p", { class: "trouble", role: "alert" }, why);
  const send = h("button", { class: "primary" }, t("sign_in.go"));
  const submit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    notice.textContent = "";
    try {
      entered(await signIn(name.value.trim(), secret.value));
    } catch (problem) {
      notice.textContent = problem instanceof Problem ? explained(problem) : String(problem);
      secret.select();
    } finally {
      send.disabled = false;
    }
  };
  return h("main", { class: "sign-in" },
    h("form", { on: { submit } },
      h("img", { src: "/console/icon.svg", alt: "", width: "48", height: "48" }), h("h1", {}, t("sign_in.title")),
      window.isSecureContext ? null : h("p", { class: "trouble", role: "alert" }, t("sign_in.insecure")),
      notice,
      h("label", { for: "name" }, t("sign_in.name")), name,
      h("label", { for: "secret" }, t("sign_in.secret")), secret,
      send, h("p", { class: "kind" }, t("sign_in.help"))));
}
