// Templates of accounts: which places their words have, what they say when filled in, and the payload that sends one.

import { all, get } from "./api.js";

const PLACE = /\{\{\s*(\w+)\s*\}\}/g;
export const SENDABLE = "APPROVED";

// The accounts whose channel has templates.
export async function accountsWithTemplates() {
  const [channels, accounts] = await Promise.all([all("/v1/channels", "channels"), all("/v1/accounts", "accounts")]);
  const fits = new Set(channels.filter((each) => each.contents.template === "native").map((each) => each.channel));
  return accounts.filter((each) => fits.has(each.channel));
}

// All templates of an account, by name.
export async function templatesOf(accountId) {
  const found = await all(`/v1/accounts/${encodeURIComponent(accountId)}/templates`, "templates");
  return found.sort((one, other) => one.name.localeCompare(other.name) || one.language.localeCompare(other.language));
}

// What a conversation's person is answered from, where that has templates: its account_id; "" without one.
export async function accountFor(channel, providerAccount) {
  const { accounts } = await get("/v1/accounts", { limit: 200 });
  const there = accounts.filter((each) => each.channel === channel);
  return (there.find((each) => each.provider_account_id === providerAccount || each.account_id === providerAccount) ?? there[0])?.account_id ?? "";
}

const component = (template, type) => template.components.find((each) => String(each.type).toUpperCase() === type);
const words = (template, type) => String(component(template, type)?.text ?? "");
const named = (text) => [...new Set([...String(text).matchAll(PLACE)].map((each) => each[1]))];

export const header = (template) => words(template, "HEADER");
export const body = (template) => words(template, "BODY");
export const footer = (template) => words(template, "FOOTER");
export const buttons = (template) => component(template, "BUTTONS")?.buttons ?? [];

// What stands in the header where it is a picture, a film or a file; "" for words or none.
export function headerFile(template) {
  const format = String(component(template, "HEADER")?.format ?? "TEXT").toUpperCase();
  return format === "TEXT" ? "" : format;
}

// What is to be filled in: [{part: "header" | "file" | "body" | "button", name, at}]; `at`: the button's place.
export function places(template) {
  const of = (part, text, at = 0) => named(text).map((name) => ({ part, name, at }));
  const file = headerFile(template);
  return [...(file ? [{ part: "file", name: file.toLowerCase(), at: 0 }] : of("header", header(template))), ...of("body", body(template)), ...buttons(template).flatMap((each, at) => of("button", each.url ?? "", at))];
}

// The words of a part with these values in it; places without a value stay as they are.
export function filled(text, part, given) {
  return text.replace(PLACE, (place, name) => given.find((each) => each.part === part && each.name === name)?.value || place);
}

// The payload that sends it. `given`: places with their `value`.
export function payload(template, given) {
  const of = (part) => given.filter((each) => each.part === part);
  const last = Math.max(-1, ...of("button").map((each) => each.at));
  const parameters = {
    header: [...of("header"), ...of("file")].map((each) => each.value), body: of("body").map((each) => each.value),
    buttons: Array.from({ length: last + 1 }, (_, at) => of("button").find((each) => each.at === at)?.value ?? ""),
  };
  const kept = Object.fromEntries(Object.entries(parameters).filter(([, values]) => values.length));
  return { type: "template", name: template.name, language: template.language, parameters: kept, text: said(template, given) };
}

function said(template, given) {
  return [filled(header(template), "header", given), filled(body(template), "body", given), footer(template)].filter(Boolean).join("\n");
}
