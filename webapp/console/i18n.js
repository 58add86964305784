// The page's own words, in the reader's language, and times in the reader's zone.

import en from "./texts/en.json" with { type: "json" };
import ptBR from "./texts/pt-BR.json" with { type: "json" };

export const LANGUAGES = { en: "English", "pt-BR": "Português (Brasil)" };
const CATALOGUES = { en, "pt-BR": ptBR };
const KEPT = "chat4all-language";

export let language = "en";

export function choose(asked) {
  const wanted = asked || localStorage.getItem(KEPT) || navigator.languages.find((each) => /^(en|pt)\b/i.test(each)) || "en";
  language = /^pt\b/i.test(wanted) ? "pt-BR" : "en";
  if (asked) localStorage.setItem(KEPT, language);
  document.documentElement.lang = language;
}

// The words under a key, with values in their {places}; `key` itself where a catalogue does not have it.
export function t(key, values = {}) {
  const found = CATALOGUES[language][key] ?? en[key] ?? key;
  return found.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));
}

export function known(key) {
  return key in en;
}

// The words of what went wrong, and how to mend it.
export function explained(problem) {
  const what = known(`problem.${problem.code}`) ? t(`problem.${problem.code}`) : t("problem.other", { code: problem.code });
  return problem.detail && !known(`problem.${problem.code}`) ? `${what} ${problem.detail}` : what;
}

const formats = new Map();

function format(kind, options) {
  const key = `${language} ${kind}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(language, options));
  return formats.get(key);
}

export function clock(at) {
  return format("clock", { hour: "2-digit", minute: "2-digit" }).format(new Date(at));
}

export function exactly(at) {
  const options = { dateStyle: "medium", timeStyle: "long" };
  return format("exact", options).format(new Date(at));
}

// To the minute, as people say it.
export function whenever(at) {
  return format("whenever", { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}

export function toTheSecond(at) {
  return format("second", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(at));
}

export function toTheMs(at) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };
  return format("ms", options).format(new Date(at));
}

export function day(at) {
  return format("day", { weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(new Date(at));
}

// Today by the clock, else by the day.
export function briefly(at) {
  const date = new Date(at);
  return date.toDateString() === new Date().toDateString() ? clock(at)
    : format("brief", { day: "numeric", month: "short" }).format(date);
}

export function seconds(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(ms / 1000)} s`;
}

export function bytes(size) {
  const units = ["B", "KB", "MB", "GB"];
  let [left, unit] = [size, 0];
  while (left >= 1000 && unit < units.length - 1) [left, unit] = [left / 1000, unit + 1];
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(left)} ${units[unit]}`;
}
