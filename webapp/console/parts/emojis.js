// Emojis to choose from, for those whose keyboard has none.

import { button, h } from "../dom.js";
import { t } from "../i18n.js";

const EMOJIS = [..."😀😄😂🙂😉😊😍😘😎🤔😮😢😭😡😴🤗🙄😅👍👎👏🙏💪👌🤝👋🙌🤞👀🔥✨🎉🎁🎂☕🍕🚚📦📞📧📍📅⏰💳💰🧾🔑🔒⭐✅❌❓❗💬💡🌞🌙☔🏠🚗"];

// `take(emoji)` with what was chosen. The box goes with it, and with Escape.
export function emojis(take) {
  const choose = (emoji) => {
    box.remove();
    take(emoji);
  };
  const box = h("div", { class: "emojis", role: "group", "aria-label": t("composer.emoji"), on: { keydown: (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    choose("");
  } } }, ...EMOJIS.map((each) => button(each, () => choose(each), { class: "icon" })));
  return box;
}
