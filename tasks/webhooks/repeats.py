"""Which events of a partition are news: a stage that runs again publishes its events again, behind what it published before."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain

from chat4all.model.deliveries import RANK, DeliveryKey, state
from chat4all.model.event_states import States
from chat4all.model.events import Event, member_of
from chat4all.ports import MessageStore
from tasks.outcomes.events import as_one

# A state or position that was published so long after it was learned may be older than one that was told already.
LATE_MS = 30_000

Known = tuple[str, int, int]


def is_late(event: Event) -> bool:
    """Whether others may have told a newer one before."""
    return bool(event.about) and event.at - event.learned_at > LATE_MS


def late_of(events: Iterable[Event], repeats: "Repeats") -> list[Event]:
    """Those of which only the store knows whether others told a newer one before."""
    return [each for each in events if is_late(each) and not repeats.knows(each)]


def known_of(store: MessageStore, late: Sequence[Event]) -> list[Known]:
    """How far what these tell of has come by now: what it is about, with rank and further. Blocks."""
    keys = [DeliveryKey.parse(each.subject) for each in late if each.kind == "state"]
    names = sorted({each.conversation_id for each in late if each.kind == "position"})
    rows = as_one(store, list(store.deliveries(keys).values())) if keys else []
    marks = store.watermarks(names) if names else {}
    states = [(str(row.key), RANK[state(row.facts)], 0) for row in rows]
    positions = [
        (member_of(mark.conversation_id, mark.user_id), mark.delivered_up_to, mark.read_up_to)
        for mark in chain.from_iterable(marks.values())
    ]
    return states + positions


class Repeats:
    """What a partition's events have told. `highest`: the highest message seq of what is behind the cursor.

    `raised`: up to which message seq the store knows it.
    """

    def __init__(self, highest: int) -> None:
        self._highest = self._below = self.raised = highest
        self._states = States()
        self._seqs: deque[tuple[int, int]] = deque()

    def is_news(self, event: Event, known: Sequence[Known] = ()) -> bool:
        """Whether it is to be told; asked once of each, in the order of the log. `known`: what the store has of late ones."""
        news = not self._overtaken(event, known) and self._is_news(event)
        if news and event.seq >= 0:
            self._highest = event.seq
            self._seqs.append((event.offset, event.seq))
        return news

    def hear(self, event: Event) -> None:
        """This was told, or dropped, by whoever came before."""
        self._highest = max(self._highest, event.seq)
        self._states.hear(event)

    def knows(self, event: Event) -> bool:
        """Whether anything was heard of what this tells of."""
        return self._states.knows(event.about)

    def _overtaken(self, event: Event, known: Sequence[Known]) -> bool:
        return any(about == event.about and (rank > event.rank or further > event.further) for about, rank, further in known)

    def told_below(self, offset: int) -> int:
        """The highest message seq of what is below this offset. Asked for ever higher offsets; -1: there was none."""
        while self._seqs and self._seqs[0][0] < offset:
            _, self._below = self._seqs.popleft()
        return self._below

    def _is_news(self, event: Event) -> bool:
        if event.seq >= 0:
            return event.seq > self._highest
        if not event.about:
            return True
        news = self._states.goes_beyond(event)
        self._states.hear(event)
        return news
