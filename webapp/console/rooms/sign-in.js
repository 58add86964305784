// The door: name and password, in exchange for a session that no script can read. The workspace is asked for where there are
// several, or where somebody opens "Another workspace"; the browser remembers it, or the address names it (?workspace=acme).

import { asksWorkspace, Problem, signIn } from "../api.js";
import { h } from "../dom.js";
import { explained, t } from "../i18n.js";

const KEPT = "workspace";

// `why`: what to say first; `entered(session)` is called with the session.
export function signInRoom(why, entered) {
  const name = h("input", { id: "name", name: "username", autocomplete: "username", required: true, autocapitalize: "none", spellcheck: "false", dir: "ltr" });
  const secret = h("input", { id: "secret", name: "password", type: "password", autocomplete: "current-password", required: true, dir: "ltr" });
  const named = new URLSearchParams(location.search).get("workspace") ?? localStorage.getItem(KEPT) ?? "";
  const workspace = h("input", { id: "workspace", name: "workspace", autocomplete: "organization", autocapitalize: "none", spellcheck: "false", dir: "ltr", pattern: "[a-z][a-z0-9\\-]{0,31}", title: t("sign_in.workspace.form"), value: named });
  const other = h("details", { open: named !== "" }, h("summary", {}, t("sign_in.other")),
    h("label", { for: "workspace" }, t("sign_in.workspace")), workspace, h("p", { class: "kind" }, t("sign_in.workspace.help")));
  asksWorkspace().then((asks) => { other.open ||= asks; });
  const notice = h("p", { class: "trouble", role: "alert" }, why);
  const send = h("button", { class: "primary" }, t("sign_in.go"));
  const submit = async (event) => {
    event.preventDefault();
    send.disabled = true;
    notice.textContent = "";
    try {
      const session = await signIn(name.value.trim(), secret.value, workspace.value.trim());
      localStorage.setItem(KEPT, workspace.value.trim());
      entered(session);
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
      other,
      send, h("p", { class: "kind" }, t("sign_in.help"))));
}
