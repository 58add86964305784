// What the page knows: conversations by activity, the people in them, and what the stream says of both. Rooms listen to it.

import { call, get, Problem } from "./api.js";
import { calmly } from "./dom.js";

const PAGE = 100;
const UNKNOWN_MOST = 10;  // Beyond so many conversations that are news to us, the first page is read instead of each of them.
const WAIT_MS = 300;

// Which conversations a list shows: what is asked of the service, and the same for what the stream tells.
export const FILTERS = {
  all: [() => ({}), () => true],
  unread: [() => ({ unread: true }), (each, me, store) => each.conversation_id === store.open || store.fresh.has(each.conversation_id)],
  open: [() => ({ state: "open" }), (each) => each.state === "open"],
  mine: [(me) => ({ assignee: me }), (each, me) => each.assignee === me],
  nobody: [() => ({ state: "open", assignee: "" }), (each) => each.state === "open" && !each.assignee],
  snoozed: [() => ({ state: "snoozed" }), (each) => each.state === "snoozed"],
  closed: [() => ({ state: "closed" }), (each) => each.state === "closed"],
};

export class Store extends EventTarget {
  conversations = new Map();
  names = new Map();
  previews = new Map();
  fresh = new Map();  // How many messages of a conversation are not read; none of those that are read.
  open = "";
  filter = "all";
  #next = ""; #loading = null; #unknown = new Set(); #timer = 0; #changed; #asked = new Set(); #sorted = null;

  // `links`: where one looks further, by name.
  constructor(user, stream, links = {}) {
    super();
    [this.user, this.links] = [user, links];
    this.stream = stream;
    this.#changed = calmly(() => this.dispatchEvent(new Event("list")));
    stream.addEventListener("message", ({ detail }) => this.#told(detail));
    // When nobody answers these, the stream breaks too, and all is loaded again when it is back.
    stream.addEventListener("conversation", ({ detail }) => this.refresh(detail.conversation_id).catch(() => {}));
    stream.addEventListener("position", ({ detail }) => this.#moved(detail));
    stream.addEventListener("handling", ({ detail }) => this.#handled(detail));
    stream.addEventListener("reload", () => this.load().catch(() => {}));
    stream.addEventListener("line", ({ detail }) => detail === "live" && this.load().catch(() => {}));
  }

  has(scope) {
    const scopes = this.user.scopes ?? [];
    return scopes.includes(scope) || scopes.includes("admin");
  }

  // By activity, latest first.
  get list() {
    this.#sorted ??= [...this.conversations.values()].sort((one, other) => compare(other.last_activity_at, one.last_activity_at));
    const [, fits] = FILTERS[this.filter];
    return this.filter === "all" ? this.#sorted : this.#sorted.filter((each) => fits(each, this.user.user_id, this));
  }

  // Another filter begins its own pages; what is known of conversations stays.
  async choose(filter) {
    await this.#loading?.catch(() => {});
    [this.filter, this.#next, this.loaded] = [filter, "", false];
    this.#changed();
    return this.load();
  }

  get hasMore() {
    return Boolean(this.#next);
  }

  // The first page, again: what is known of others stays.
  load() {
    this.#loading ??= this.#page("").finally(() => { this.#loading = null; });
    return this.#loading;
  }

  more() {
    if (!this.#next) return Promise.resolve();
    this.#loading ??= this.#page(this.#next).finally(() => { this.#loading = null; });
    return this.#loading;
  }

  async #page(after) {
    const [query] = FILTERS[this.filter];
    const found = await get("/v1/conversations", { order: "activity", limit: PAGE, after: after || undefined, metadata: true, ...query(this.user.user_id) });
    for (const each of found.conversations) this.#keep(each);
    if (after || !this.#next) this.#next = found.next ?? "";
    this.loaded = true;
    this.#changed();
  }

  #keep(conversation) {
    const before = this.conversations.get(conversation.conversation_id);
    const at = [conversation.last_activity_at, before?.last_activity_at, conversation.created_at].filter(Boolean).sort().at(-1);
    this.#sorted = null;
    this.conversations.set(conversation.conversation_id, { ...conversation, last_activity_at: at ?? "" });
    if (conversation.unread !== undefined) this.#count(conversation.conversation_id, conversation.unread);
    for (const member of conversation.members) this.names.set(member.user_id, member);
  }

  #count(id, unread) {
    if (id === this.open) return;
    unread ? this.fresh.set(id, unread) : this.fresh.delete(id);
  }

  // We have read further, in this tab or another.
  #moved({ user_id: who, conversation_id: id, read_up_to: upTo }) {
    if (who !== this.user.user_id || upTo < (this.conversations.get(id)?.last_seq ?? 0)) return;
    this.fresh.delete(id);
    this.#changed();
  }

  // One conversation, as it is now; null when it is not there for us.
  async refresh(id) {
    try {
      this.#keep(await get(`/v1/conversations/${id}`));
      this.#changed();
      this.dispatchEvent(new CustomEvent("conversation", { detail: id }));
      return this.conversations.get(id);
    } catch (problem) {
      if (problem instanceof Problem && problem.status === 404) return null;
      throw problem;
    }
  }

  // How it is handled now: an event that was overtaken says nothing new.
  #handled(handling) {
    const there = this.conversations.get(handling.conversation_id);
    if (!there) return this.#learn(handling.conversation_id);
    if (handling.handling_version < (there.handling_version ?? 0)) return;
    const { state, snoozed_until, assignee, priority, labels, handler, handling_version } = handling;
    Object.assign(there, { state, snoozed_until, assignee, priority, labels, handler, handling_version });
    this.#changed();
    this.dispatchEvent(new CustomEvent("conversation", { detail: handling.conversation_id }));
  }

  // Close, open again, snooze, assign.
  async handle(id, changes) {
    this.#keep(await call("PATCH", `/v1/conversations/${id}`, changes));
    this.#changed();
    this.dispatchEvent(new CustomEvent("conversation", { detail: id }));
  }

  #told(message) {
    const id = message.conversation_id;
    const conversation = this.conversations.get(id);
    if (!["reaction", "vote", "edit", "deletion"].includes(message.payload.type)) this.previews.set(id, message);
    if (!conversation) return this.#learn(id);
    this.#toFront(conversation);
    conversation.last_activity_at = message.accepted_at;
    conversation.last_seq = message.seq;
    if (id !== this.open && !this.isOurs(message.sender, conversation)) this.fresh.set(id, (this.fresh.get(id) ?? 0) + 1);
    this.#changed();
  }

  // Without sorting all again: many are told in a second.
  #toFront(conversation) {
    const place = this.#sorted?.indexOf(conversation) ?? -1;
    if (place > 0) this.#sorted.unshift(...this.#sorted.splice(place, 1));
  }

  #learn(id) {
    this.#unknown.add(id);
    this.#timer ||= setTimeout(async () => {
      const wanted = [...this.#unknown];
      this.#timer = 0;
      this.#unknown.clear();
      await (wanted.length > UNKNOWN_MOST ? this.load() : Promise.all(wanted.map((each) => this.refresh(each)))).catch(() => {});
    }, WAIT_MS);
  }

  // The newest message of a conversation that is on the screen: asked for once, then told by the stream.
  async preview(id) {
    if (this.previews.has(id) || this.#asked.has(id)) return;
    this.#asked.add(id);
    try {
      const { messages } = await get(`/v1/conversations/${id}/messages`, { limit: 1 });
      if (messages.length && !this.previews.has(id)) this.previews.set(id, messages[0]);
      this.#changed();
    } catch {
      this.#asked.delete(id);
    }
  }

  look(id) {
    this.open = id;
    if (id) this.fresh.delete(id);
    this.#changed();
  }

  // Words about people.

  name(userId) {
    const known = this.names.get(userId);
    return known?.display_name || userId;
  }

  others(conversation) {
    const shown = conversation.members.filter((each) => each.kind !== "inbox" && each.user_id !== this.user.user_id);
    return shown.length ? shown : conversation.members;
  }

  title(conversation) {
    const given = conversation.metadata?.title ?? conversation.metadata?.topic;
    if (typeof given === "string" && given) return given;
    return this.others(conversation).map((each) => each.display_name || each.user_id).join(", ") || conversation.conversation_id;
  }

  channel(conversation) {
    const inbox = conversation.members.find((each) => each.kind === "inbox");
    return inbox ? inbox.user_id.replace(/^inbox-/, "") : "";
  }

  // In whose name we write here: our own as a member; for people on a channel, their inbox's, where we may. "": we may not.
  writer(conversation) {
    const members = conversation.members;
    if (members.some((each) => each.user_id === this.user.user_id)) return this.user.user_id;
    if (!this.has("send")) return "";
    const speaker = members.find((each) => each.kind === "inbox") ?? members.find((each) => each.kind !== "contact");
    return speaker?.user_id ?? "";
  }

  // Who speaks there for the team.
  isInbox(sender) {
    return this.names.get(sender)?.kind === "inbox";
  }

  isOurs(sender, conversation) {
    if (sender === this.user.user_id) return true;
    const isMember = conversation?.members.some((each) => each.user_id === this.user.user_id);
    return !isMember && ["inbox", "client"].includes(this.names.get(sender)?.kind);
  }
}

function compare(one, other) {
  return one < other ? -1 : Number(one > other);
}
