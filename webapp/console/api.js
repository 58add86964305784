// Calls of the REST API. The session is in a cookie that no script reads; a token in a header says that this page asks.

const ALL_PAGE = 200;

let csrf = "";
let renewing = null;
export const signals = new EventTarget();

// A refusal: `code` to build on, `detail` for people, `field` where one is named. Status 0: nobody answered.
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || String(status));
    this.status = status;
    this.code = body.code || "unavailable";
    this.detail = body.detail || "";
    this.field = body.errors?.[0]?.field || "";
  }
}

function headersFor(body, more) {
  const headers = { Accept: "application/json", ...more };
  if (csrf) headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = body instanceof Blob ? body.type : "application/json";
  return headers;
}

async function ask(method, path, body, more) {
  try {
    return await fetch(path, {
      method, headers: headersFor(body, more), body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
      credentials: "same-origin", cache: "no-store", redirect: "error", signal: AbortSignal.timeout(30000),
    });
  } catch {
    throw new Problem(0, { code: "unreachable" });
  }
}

async function read(response) {
  if (response.status === 204) return null;
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, body);
  return body;
}

// One call; `body`: what becomes JSON, or a Blob that goes as it is. A session that has run out is renewed once; one that has ended is told to the whole page.
export async function call(method, path, body, more = {}) {
  let response = await ask(method, path, body, more);
  if (response.status === 401 && await renewed()) response = await ask(method, path, body, more);
  if (response.status === 401) signals.dispatchEvent(new CustomEvent("signed-out", { detail: "ended" }));
  return read(response);
}

export const get = (path, query = {}) => call("GET", path + asQuery(query));

function asQuery(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

// Every page of a list.
export async function all(path, name) {
  const found = [];
  for (let after; after !== null;) {
    const page = await get(path, { limit: ALL_PAGE, after });
    found.push(...page[name]);
    after = page.next ?? null;
  }
  return found;
}

// A file of a conversation: {file_id, …}. `onProgress` is told the part that has gone, 0 to 1.
export function upload(conversationId, file, key, onProgress) {
  const form = new FormData();
  form.append("conversation_id", conversationId);
  form.append("file", file, file.name || "file");
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/files");
    request.responseType = "json";
    request.setRequestHeader("X-CSRF-Token", csrf);
    request.setRequestHeader("Idempotency-Key", key);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => reject(new Problem(0, { code: "unreachable" }));
    request.onload = () => request.status < 300
      ? resolve(request.response) : reject(new Problem(request.status, request.response || {}));
    request.send(form);
  });
}

// Sessions.

// `workspace`: which one they are in; empty: `default`.
export async function signIn(name, secret, workspace) {
  const where = workspace ? { workspace } : {};
  return kept(await read(await ask("POST", "/auth/session", { client_id: name, client_secret: secret, ...where })));
}

// Whether a form asks for the workspace. Where nobody answers it need not.
export async function asksWorkspace() {
  try {
    return (await read(await ask("GET", "/auth/form"))).asks_workspace;
  } catch {
    return false;
  }
}

// The session that this browser has; null without one.
export async function session() {
  let response = await ask("GET", "/auth/session");
  if (response.status === 401) response = await ask("POST", "/auth/session/renew");
  return response.status === 401 ? null : kept(await read(response));
}

export async function signOut() {
  await call("DELETE", "/auth/session");
  csrf = "";
}

// Many calls may find at the same time that the session ran out: one of them renews it.
export function renewed() {
  renewing ??= ask("POST", "/auth/session/renew")
    .then(async (response) => response.ok && Boolean(kept(await read(response))))
    .catch(() => false)
    .finally(() => { renewing = null; });
  return renewing;
}

function kept(found) {
  csrf = found.csrf_token;
  return found;
}
