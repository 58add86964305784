// The messages of one conversation that the page holds: a window of its history, which moves with the reader and stays small.

import { call, get, Problem } from "./api.js";

const PAGE = 50;
const MOST = 300;
const MODIFIERS = ["reaction", "vote", "edit", "deletion"];
const TRIES = 5;
const FIRST_MS = 700;
const SOON_MS = 250;

export class Thread extends EventTarget {
  messages = [];   // Ascending by seq; those that we send stand last, until they have one.
  atStart = false; atEnd = true; loaded = false;
  holds = false;   // What is written to a shut window waits until its person writes.
  #store; #id; #before; #stale = new Set(); #timer = 0; #busy = false; #listening;

  constructor(store, id) {
    super();
    this.#store = store;
    this.#id = id;
    this.#listening = new AbortController();
    const options = { signal: this.#listening.signal };
    store.stream.addEventListener("message", ({ detail }) => detail.conversation_id === id && this.#told(detail), options);
    store.stream.addEventListener("note", ({ detail }) => detail.conversation_id === id && this.#told({ ...detail, visibility: "internal" }), options);
    store.stream.addEventListener("state", ({ detail }) => detail.conversation_id === id && this.#learn(detail.message_id), options);
    store.stream.addEventListener("position", ({ detail }) => detail.conversation_id === id && this.#learnRead(detail), options);
    store.stream.addEventListener("rejected", ({ detail }) => detail.conversation_id === id && this.#reject(detail), options);
    store.stream.addEventListener("line", ({ detail }) => detail === "live" && this.loaded && this.latest(), options);
    store.stream.addEventListener("reload", () => this.latest(), options);
  }

  close() {
    this.#listening.abort();
    clearTimeout(this.#timer);
  }

  find(messageId) {
    return this.messages.find((each) => each.message_id === messageId);
  }

  // The newest page; what we are sending stays.
  async latest() {
    const { messages, next } = await get(`/v1/conversations/${this.#id}/messages`, { limit: PAGE });
    const ours = this.messages.filter((each) => each.sending && !messages.some((one) => one.message_id === each.message_id));
    this.messages = [...messages, ...ours];
    [this.#before, this.atStart, this.atEnd, this.loaded] = [next, next === undefined, true, true];
    this.#changed("all");
  }

  async older() {
    if (this.atStart || this.#busy) return;
    await this.#alone(async () => {
      const { messages, next } = await get(`/v1/conversations/${this.#id}/messages`, { limit: PAGE, before: this.#before });
      [this.#before, this.atStart] = [next, next === undefined];
      this.messages = [...messages, ...this.messages];
      if (this.messages.length > MOST) [this.messages, this.atEnd] = [this.messages.slice(0, MOST), false];
      this.#changed("older");
    });
  }

  async newer() {
    if (this.atEnd || this.#busy) return;
    await this.#alone(async () => {
      const since = this.messages.at(-1)?.seq ?? 0;
      const { messages, next } = await get(`/v1/conversations/${this.#id}/messages`, { limit: PAGE, since });
      this.messages = [...this.messages, ...messages];
      this.atEnd = next === undefined;
      this.#trim();
      this.#changed("newer");
    });
  }

  async #alone(act) {
    this.#busy = true;
    try {
      await act();
    } finally {
      this.#busy = false;
    }
  }

  // The beginning of the window goes, where it is too large.
  #trim() {
    if (this.messages.length <= MOST) return;
    this.messages = this.messages.slice(-MOST);
    [this.#before, this.atStart] = [this.messages.find((each) => each.seq)?.seq, false];
  }

  // A message that is answered may be anywhere in the history.
  async lookUp(messageId) {
    return this.find(messageId) ?? get(`/v1/messages/${messageId}`, { conversation_id: this.#id }).catch(() => null);
  }

  #told(message) {
    if (MODIFIERS.includes(message.payload.type)) return this.#learn(message.payload.target);
    const there = this.find(message.message_id);
    if (there) {
      Object.assign(there, message, { sending: "" });
      this.messages.sort((one, other) => (one.seq ?? Infinity) - (other.seq ?? Infinity));
      this.#changed("state");
    } else if (this.atEnd && this.loaded) {
      const place = this.messages.findIndex((each) => !each.seq || each.seq > message.seq);
      this.messages.splice(place < 0 ? this.messages.length : place, 0, { ...message, deliveries: [] });
      this.#trim();
      this.#changed("new");
    } else this.#changed("beyond");
    if (this.#store.isOurs(message.sender, this.#store.conversations.get(this.#id))) this.#learn(message.message_id);
  }

  #learnRead({ read_up_to, delivered_up_to }) {
    const upTo = Math.max(read_up_to, delivered_up_to);
    for (const each of this.messages.slice(-20)) if (each.seq <= upTo) this.#learn(each.message_id);
  }

  #reject({ message_id, reason }) {
    const there = this.find(message_id);
    if (there) this.#failed(there, { code: reason });
  }

  // What is known of these messages now, asked for together, a little later: states come in crowds.
  #learn(messageId) {
    if (!this.find(messageId)) return;
    this.#stale.add(messageId);
    this.#timer ||= setTimeout(() => {
      const wanted = [...this.#stale];
      [this.#timer, this.#stale] = [0, new Set()];
      for (const each of wanted) this.#refresh(each);
    }, SOON_MS);
  }

  async #refresh(messageId) {
    const found = await get(`/v1/messages/${messageId}`, { conversation_id: this.#id }).catch(() => null);
    const there = this.find(messageId);
    if (!found || !there) return;
    const place = this.messages.indexOf(there);
    this.messages[place] = found;
    this.#changed("state");
  }

  // Sending: shown at once, and said to be what it is until the service knows it.

  // `shown`: what is known of a file that goes, for ourselves.
  send(payload, replyTo = "", shown = {}, visibility = "") {
    const message = {
      message_id: crypto.randomUUID(), conversation_id: this.#id, payload: { ...payload, ...shown }, asked: payload,
      deliveries: [], sending: "SENDING", ...(visibility ? { visibility } : {}),
      ...(this.holds && !visibility && !MODIFIERS.includes(payload.type) ? { outside_window: "hold" } : {}),
      sender: visibility ? this.#store.user.user_id : this.#writer(payload), accepted_at: new Date().toISOString(),
      ...(replyTo ? { reply_to: replyTo } : {}),
    };
    if (!MODIFIERS.includes(payload.type)) {
      this.messages.push(message);
      this.#changed("new");
    }
    return this.#try(message);
  }

  // A note is changed by who wrote it, all else in the name in which we write here.
  #writer({ target }) {
    const isOfNote = this.find(target)?.visibility === "internal";
    return isOfNote ? this.#store.user.user_id : this.#store.writer(this.#store.conversations.get(this.#id));
  }

  again(message) {
    message.sending = "SENDING";
    message.problem = null;
    this.#changed("state");
    return this.#try(message);
  }

  discard(message) {
    this.messages = this.messages.filter((each) => each !== message);
    this.#changed("all");
  }

  // The same message_id is the same message, however often it is sent: so what is not certain may be said again.
  async #try(message) {
    const { message_id, conversation_id, asked, sender } = message;
    const more = ["reply_to", "visibility", "outside_window"].filter((each) => message[each]).map((each) => [each, message[each]]);
    const body = { message_id, conversation_id, payload: asked, ...Object.fromEntries(more) };
    if (sender !== this.#store.user.user_id) body.from = sender;
    for (let number = 1; message.sending; number += 1) {
      try {
        await call("POST", "/v1/messages", body);
        if (message.sending === "SENDING") message.sending = "ACCEPTED";
        return this.#changed("state");
      } catch (problem) {
        if (!message.sending) return;  // The stream has told it meanwhile: it did arrive.
        const isPassing = problem instanceof Problem && (problem.status === 0 || problem.status === 503 || problem.status === 429);
        if (!isPassing || number === TRIES) return this.#failed(message, problem);
        await new Promise((resolve) => setTimeout(resolve, FIRST_MS * 2 ** number * Math.random()));
      }
    }
  }

  #failed(message, problem) {
    message.sending = "UNSENT";
    message.problem = problem;
    if (this.find(message.message_id)) this.#changed("state");
    else this.dispatchEvent(new CustomEvent("refused", { detail: problem }));
  }

  #changed(how) {
    this.dispatchEvent(new CustomEvent("change", { detail: how }));
  }
}
