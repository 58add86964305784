// The way to an account at a provider: what to make there, and where each value stands.

import { h, outward } from "../dom.js";
import { known, t } from "../i18n.js";
import { field } from "./forms.js";

const META = "https://developers.facebook.com/apps";
const SECRET = { type: "password", autocomplete: "new-password", dir: "ltr" };
const PLAIN = { autocomplete: "off", dir: "ltr" };

// By channel: where one begins there, how many steps are told (accounts.guide.…), and the credentials; `chosen`: by us.
export const GUIDES = {
  whatsapp: { place: META, steps: 4, id: true, credentials: { token: SECRET, app_secret: SECRET, verify_token: "chosen", business_account_id: PLAIN } },
  instagram: { place: META, steps: 3, id: true, credentials: { token: SECRET, app_secret: SECRET, verify_token: "chosen" } },
  messenger: { place: META, steps: 3, id: true, credentials: { token: SECRET, app_secret: SECRET, verify_token: "chosen" } },
  telegram: { place: "https://t.me/BotFather", steps: 2, id: false, credentials: { bot_token: SECRET } },
};
const OPTIONAL = ["business_account_id"];

// `connect(asked, place)`: what went wrong is said in `place`.
export function guide(channel, connect) {
  const { place: there, steps, id } = GUIDES[channel];
  const name = h("input", { maxlength: "128", autocomplete: "off" });
  const account = id ? h("input", { ...PLAIN, required: true, inputmode: "numeric", pattern: "[0-9]{1,32}" }) : null;
  const given = inputs(channel);
  const place = h("div", {});
  const asked = () => ({ channel, name: name.value.trim(), ...(account ? { provider_account_id: account.value.trim() } : {}), credentials: values(given) });
  return h("div", { class: "page" }, h("p", {}, h("a", { href: "#/accounts" }, t("accounts.back"))),
    h("h1", {}, t("accounts.guide.title", { channel: t(`channel.${channel}`) })),
    h("h2", {}, t("accounts.guide.make")), h("p", {}, outward(there, there)),
    h("ol", { class: "told" }, ...Array.from({ length: steps }, (_, each) => h("li", {}, t(`accounts.guide.${channel}.${each + 1}`)))),
    h("h2", {}, t("accounts.guide.values")),
    h("form", { class: "sheet", on: { submit: (event) => { event.preventDefault(); connect(asked(), place); } } },
      field(t("accounts.name"), name, t("accounts.name.about")),
      account ? field(t(`accounts.id.${channel}`), account, t(`accounts.id.${channel}.about`)) : null,
      ...fields(channel, given), place, h("div", { class: "choices" }, h("button", { class: "primary" }, t("accounts.guide.connect")))),
    h("p", { class: "kind" }, t("accounts.guide.then")));
}

// An input for each credential, by its name. `isRotated`: those that are left empty stay as they are.
export function inputs(channel, isRotated = false) {
  return Object.fromEntries(Object.entries(GUIDES[channel].credentials).map(([name, kind]) => {
    const isChosen = kind === "chosen";
    const value = isChosen && !isRotated ? crypto.randomUUID() : null;
    return [name, h("input", { ...(isChosen ? PLAIN : kind), maxlength: "1024", value, required: !isRotated && !OPTIONAL.includes(name) })];
  }));
}

export function fields(channel, given) {
  return Object.entries(given).map(([name, input]) => {
    const own = `accounts.value.${channel}.${name}`;
    return field(t(`accounts.value.${name}`), input, t(known(own) ? own : `accounts.value.${name}.about`));
  });
}

export function values(given) {
  return Object.fromEntries(Object.entries(given).map(([name, input]) => [name, input.value.trim()]).filter(([, value]) => value));
}
