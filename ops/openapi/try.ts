// Compiled by `make check`: the generated types must let a client write what the API takes, and forbid what it does not.
import type { operations } from "../../build/openapi/openapi";

type Body<Name extends keyof operations> = operations[Name] extends { requestBody: { content: { "application/json": infer B } } } ? B : never;

export const hello: Body<"sendMessage"> = { to: ["bob"], payload: { type: "text", text: "Hello Bob" } };
export const group: Body<"createConversation"> = { type: "group", members: ["alice", "bob"] };
// @ts-expect-error a text has words
export const silent: Body<"sendMessage"> = { to: ["bob"], payload: { type: "text" } };
export const place: Body<"sendMessage"> = { to: ["bob"], payload: { type: "location", latitude: -23.56, longitude: -46.65 } };
export const asked: Body<"sendMessage"> = { to: ["bob"], payload: { type: "choices", text: "Tea?", options: [{ id: "y", title: "Yes" }] } };
// @ts-expect-error a place has two numbers
export const nowhere: Body<"sendMessage"> = { to: ["bob"], payload: { type: "location", latitude: -23.56 } };
