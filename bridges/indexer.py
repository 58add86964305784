"""Feeds the search index: `python -m bridges.indexer`. A reader of chat-events whose cursor is kept with what it has read.

An index that was never fed, that belongs to another log, that somebody wants anew, or that is behind the beginning of the
log is made of the store, conversation by conversation; what is said meanwhile comes from the log afterwards, from where the log
ended before. A message that came by both ways is kept once. Whoever is stopped on the way goes on at the same conversation.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from types import FrameType
from uuid import uuid4

from msgspec import Struct

from bridges.documents import as_they_are_now, documents_of, heard, members_of, people_of
from bridges.newer import StoppedPartitions
from chat4all.model.backoff import Backoff
from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.failures import Failure, RangeLost, Temporary
from chat4all.model.records import EVENTS, Record
from chat4all.ports import Consumer, Document, EventLog, Feeding, MessageStore, PersonFound, SearchIndex
from chat4all.ports.listing import EVERYBODY
from chat4all.settings import Settings, SettingsError, load
from chat4all.telemetry import exporter, metrics
from chat4all.telemetry.logs import configure, logger
from storage.open import open_log, open_search, open_store

log_to = logger(__name__)

POLL_S = 0.05
BATCH = 2_000
WAIT_S = (0.2, 5.0)
PEOPLE_AT_ONCE = 500
# Names and addresses of people who write are looked at again after so long.
PEOPLE_S = 60.0
PEOPLE_MOST = 50_000


class Bounds(Struct, frozen=True):
    """What is done at once, and how often.

    A transaction costs as much as some fifty messages: a pause (`pause_s`) between two makes them fewer, and the index no later
    than this. `conversations`, and `messages` of one: read from the store at once while the index is made. `forget_s`: how
    often what outlived its time is looked for. `first_tidy_s`, `tidy_s`: after its start, and then, the file is cleaned.
    """

    pause_s: float = 0.5
    conversations: int = 100
    messages: int = 500
    forget_s: float = 60.0
    first_tidy_s: float = 3_600.0
    tidy_s: float = 86_400.0


BOUNDS = Bounds()


class Indexer:
    """Runs until `stopping` is set. One at a time feeds an index; two take turns, and do no harm."""

    def __init__(
        self, settings: Settings, log: EventLog, store: MessageStore, index: SearchIndex, bounds: Bounds = BOUNDS
    ) -> None:
        self._bounds = bounds
        self._keep_days = settings.retention.messages
        self._log, self._store, self._index = log, store, index
        self._name = f"{os.getpid()}-{uuid4()}"
        self.state = Feeding()
        self.stopping = threading.Event()
        self._seen: dict[str, float] = {}
        self._forget_at = time.monotonic()
        self._tidy_at = self._forget_at + bounds.first_tidy_s

    def run(self) -> None:
        """Feed until stopped; outages are waited for."""
        waits = Backoff(*WAIT_S)
        while not self.stopping.is_set():
            try:
                self.begin()
                self._follow(waits.succeeded)
            except RangeLost as lost:
                log_to.error("search_index_behind_the_log", why=lost.reason, todo="it is made anew of the store")
                self._index.want_anew()
            except Temporary as failure:
                wait = waits.failed()
                log_to.warning("search_index_waits", reason=failure.reason, wait_s=wait)
                self.stopping.wait(wait)

    def begin(self) -> None:
        """Take the index over, and make it if that is needed."""
        self.state = self._index.begin(self._name)
        identity = self._log.topic(EVENTS).identity
        if self.state.topic != identity:
            ends = {partition: end for partition, (_, end) in self._log.ends(EVENTS).items()}
            self.state = Feeding(identity, ends, "")
            if not self._index.empty(self._name, self.state):
                raise Temporary("search", "another process feeds this index")
        while self.state.building is not None and not self.stopping.is_set():
            self._build(self.state.building)

    def _build(self, after: str) -> None:
        """The next conversations of the store."""
        names = self._store.conversation_page(EVERYBODY, after, self._bounds.conversations)
        for name in names:
            position: int | None = 0
            while position is not None and not self.stopping.is_set():
                page = self._store.page(name, position, None, self._bounds.messages)
                self._feed(self.state, documents_of(self._store, page))
                position = page[-1].seq if len(page) == self._bounds.messages else None
        people = people_of(self._store, members_of(self._store, names))
        if not names:
            self._add_contacts()
        if self.stopping.is_set():
            return
        self._feed(Feeding(self.state.topic, self.state.positions, names[-1] if names else None), people=people)
        if not names:
            log_to.info("search_index_made", messages=self._index.count())

    def _add_contacts(self) -> None:
        """All that the directory has: many have never written. Done again where it was cut off."""
        after = ""
        while (page := self._store.contact_page("", after, PEOPLE_AT_ONCE)) and not self.stopping.is_set():
            self._feed(self.state, people=people_of(self._store, page))
            after = page[-1]

    def _follow(self, well: Callable[[], None]) -> None:
        with closing(self._log.follow(EVENTS, self.state.positions)) as consumer:
            stopped = StoppedPartitions(EVENTS, "indexer")
            while not self.stopping.is_set():
                self.step(consumer, stopped)
                self.tidy()
                well()

    def step(self, consumer: Consumer, stopped: StoppedPartitions) -> int:
        """Read and keep what there is now, then rest; how many records that were."""
        records = consumer.poll(BATCH, POLL_S)
        known = stopped.known(records)
        if known:
            self.take(known)
        elif self._index.feeding().topic != self.state.topic:
            raise Temporary("search", "the index is wanted anew")
        if len(records) < BATCH:
            self.stopping.wait(self._bounds.pause_s)
        return len(records)

    def take(self, records: Sequence[Record]) -> None:
        """Keep what these say, and that they were read."""
        found = heard(records)
        documents = [*found.documents, *as_they_are_now(self._store, found.changed)]
        wanted = self._unseen(found.people) | members_of(self._store, found.conversations) | found.contacts
        people = people_of(self._store, wanted)
        positions = {**self.state.positions, **{each.partition: each.offset + 1 for each in records}}
        self._feed(Feeding(self.state.topic, positions), documents, people)

    def _feed(self, state: Feeding, documents: Sequence[Document] = (), people: Sequence[PersonFound] = ()) -> None:
        if not self._index.feed(self._name, state, documents, people):
            raise Temporary("search", "another process feeds this index, or it is wanted anew")
        self.state = state

    def _unseen(self, user_ids: set[str]) -> set[str]:
        """Those of these who were not looked at lately."""
        now = time.monotonic()
        if len(self._seen) > PEOPLE_MOST:
            self._seen = {}
        wanted = {each for each in user_ids if now - self._seen.get(each, -PEOPLE_S) >= PEOPLE_S}
        self._seen.update(dict.fromkeys(wanted, now))
        return wanted

    def tidy(self) -> None:
        """Forget what the store forgets, and clean the file, where it is time for that: however much comes meanwhile."""
        now = time.monotonic()
        if self._keep_days and now >= self._forget_at:
            # Where there was something there may be more: the next lot goes after the next records.
            gone = self._index.forget(now_ms() - self._keep_days * DAY_MS)
            self._forget_at = now if gone else now + self._bounds.forget_s
        if now >= self._tidy_at:
            self._index.tidy()
            self._tidy_at = time.monotonic() + self._bounds.tidy_s

    def show(self) -> None:
        """Let every scrape see how far this is."""
        metrics.SEARCH_LAG.from_(lambda: {(): self._behind()})
        metrics.SEARCH_DOCUMENTS.from_(lambda: {(): self._index.count()})
        metrics.SEARCH_BUILDING.from_(lambda: {(): float(not self.state.is_complete)})

    def _behind(self) -> float:
        ends = self._log.ends(EVENTS)
        return float(sum(max(0, end - self.state.positions.get(partition, 0)) for partition, (_, end) in ends.items()))


def serve(settings: Settings) -> None:
    """Feed until SIGTERM or SIGINT. SettingsError where search is off."""
    index = open_search(settings)
    if index is None:
        raise SettingsError("CHAT4ALL_SEARCH is off. Set it to sqlite:search.db to have an index.")
    log, store = open_log(settings), open_store(settings)
    with closing(index), closing(log), closing(store):
        index.migrate()
        indexer = Indexer(settings, log, store, index)

        def stop(_number: int, _frame: FrameType | None) -> None:
            indexer.stopping.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        indexer.show()
        exporter.serve("indexer", settings)
        log_to.info("indexer_ready", index=index.check())
        indexer.run()


def main() -> None:
    """The process. Ends with status 1 and one line when it cannot work."""
    configure("indexer")
    try:
        serve(load())
    except (SettingsError, Failure, OSError) as error:
        log_to.error("indexer_ended", why=str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
