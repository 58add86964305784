// What happens, as it happens: the stream that every client reads. A ticket opens it, since a page holds no token; it goes on
// from the last event when it breaks.

import { call, Problem } from "./api.js";

const KINDS = ["message", "state", "position", "rejected", "scheduled", "file", "conversation", "handling", "note", "broadcast", "template", "typing", "reload"];
const FIRST_MS = 500;
const MOST_MS = 15000;

// Dispatches an event of each kind with the event as `detail`, and `line` when the connection comes or goes ("live", "waiting").
export class Stream extends EventTarget {
  #url; #everything; #source = null; #cursor = ""; #wait = FIRST_MS; #timer = 0; #ended = false;
  state = "waiting";

  constructor(url, everything) {
    super();
    this.#url = url;
    this.#everything = everything;
  }

  async start() {
    try {
      const { ticket } = await call("POST", "/v1/stream-tickets");
      if (!this.#ended) this.#open(ticket);
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 401) this.#again();
    }
  }

  stop() {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#source?.close();
  }

  #open(ticket) {
    const url = new URL(this.#url, location.href);
    url.searchParams.set("ticket", ticket);
    if (this.#everything) url.searchParams.set("all", "true");
    if (this.#cursor) url.searchParams.set("cursor", this.#cursor);
    this.#source = new EventSource(url);
    this.#source.onopen = () => {
      this.#wait = FIRST_MS;
      this.#tell("live");
    };
    // A ticket is good for one opening: so we ask for another, instead of the browser with the old one.
    this.#source.onerror = () => this.#again();
    for (const kind of KINDS) this.#source.addEventListener(kind, (event) => this.#take(kind, event));
  }

  #take(kind, event) {
    this.#cursor = event.lastEventId || this.#cursor;
    this.dispatchEvent(new CustomEvent(kind, { detail: JSON.parse(event.data) }));
  }

  #again() {
    this.#source?.close();
    this.#source = null;
    this.#tell("waiting");
    if (this.#ended) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.start(), this.#wait * (0.5 + Math.random() / 2));
    this.#wait = Math.min(MOST_MS, this.#wait * 2);
  }

  #tell(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("line", { detail: state }));
  }
}
