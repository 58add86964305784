"""Figures about conversations and costs, from what the store has: page by page of those in which something was said since a
time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from chat4all.model.conversations import User
from chat4all.model.messages import Message
from chat4all.model.records import partition_of
from chat4all.model.reports import Case, CostFigures, Figures, Reporter, Row, keys, place_of, priced, summed
from chat4all.model.slots import delivery_key, slots
from chat4all.ports import MessageStore, Span
from chat4all.ports.listing import EVERYBODY, SLOT_MS
from chat4all.services.retired_deliveries import deliveries_of
from webapp.requests.bounds import Bounds

END = 2**62
# Conversations that are read together, and messages of one of them.
TOGETHER, AT_ONCE = 20, 200


class Asked(Struct, frozen=True):
    """What a report is of: from `since` up to, not including, `until` (ms UTC), by these dimensions of `reports`."""

    since: int
    until: int
    by: tuple[str, ...]


class Place(Struct, frozen=True, order=True):
    """How far a report has come: slots fall, names grow."""

    slot: int
    conversation_id: str = ""

    @property
    def text(self) -> str:
        """As `after` has it."""
        return f"{self.slot}:{self.conversation_id}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The opposite of `text`. ValueError when it is none of ours."""
        slot, colon, name = text.partition(":")
        if not colon or not (0 <= int(slot) <= END):
            raise ValueError(text)
        return cls(int(slot), name)


Page = tuple[dict[tuple[str, ...], Row], Place | None]


def conversations_page(store: MessageStore, asked: Asked, after: Place, limit: int, bounds: Bounds) -> Page[Figures]:
    """Figures of the next `limit` conversations by their keys, to be added to those of other pages; and where to go on."""
    return _page(store, asked, after, limit, lambda names: _rows(store, asked, names, bounds))


def costs_page(
    store: MessageStore, asked: Asked, after: Place, limit: int, bounds: Bounds, partitions: int
) -> Page[CostFigures]:
    """The same of what was sent in them."""
    return _page(store, asked, after, limit, lambda names: _costs(store, asked, names, bounds, partitions))


def _page(
    store: MessageStore,
    asked: Asked,
    after: Place,
    limit: int,
    rows: Callable[[Sequence[str]], Iterable[tuple[tuple[str, ...], Row]]],
) -> Page[Row]:
    left = _active(store, asked.since // SLOT_MS, after, limit)
    names = [name for _, name in left[:limit]]
    found: list[tuple[tuple[str, ...], Row]] = []
    for start in range(0, len(names), TOGETHER):
        found += rows(names[start : start + TOGETHER])
    return summed(found), Place(*left[limit - 1]) if len(left) > limit else None


def _active(store: MessageStore, floor: int, after: Place, limit: int) -> list[tuple[int, str]]:
    """(slot, conversation) after this place, down to the slot `floor`: more than `limit`, where there are more."""
    found: list[tuple[int, str]] = []
    slot = after.slot
    while len(found) <= limit and slot >= floor and (rows := store.active(EVERYBODY, slot, limit + 1)):
        found += [row for row in rows if row[0] >= floor and (-row[0], row[1]) > (-after.slot, after.conversation_id)]
        slot = rows[-1][0] - 1
    return found


def _rows(store: MessageStore, asked: Asked, names: Sequence[str], bounds: Bounds) -> list[tuple[tuple[str, ...], Figures]]:
    handled = store.handlings(names)
    starts = [Span(name, handled[name].opened_after, END, bounds.answered) for name in names]
    beginnings = dict(zip(names, store.pages(starts), strict=True))
    said = _said(store, names, asked.since, bounds.reported)
    cases = [Case(handled[name], beginnings[name], said[name]) for name in names]
    reporter = Reporter(asked.since, asked.until, _speakers(store, cases))
    return [row for case in cases for row in _of(case, reporter, asked.by)]


def _costs(
    store: MessageStore, asked: Asked, names: Sequence[str], bounds: Bounds, partitions: int
) -> Iterator[tuple[tuple[str, ...], CostFigures]]:
    """Of each delivery. What sends one again, and each leg of a route, is a message here, with deliveries of its own."""
    found = _said(store, names, asked.since, bounds.reported)
    said = [each for name in names for each in found[name] if each.accepted_at < asked.until]
    for start in range(0, len(said), AT_ONCE):
        wanted = {
            delivery_key(each, slot, partition_of(each.conversation_id, partitions)): (each, slot)
            for each in said[start : start + AT_ONCE]
            for slot in slots(each)
        }
        for key, row in deliveries_of(store, wanted).items():
            message, slot = wanted[key]
            if counted := priced(asked.by, message, slot.recipient, row.facts):
                yield counted


def _of(case: Case, reporter: Reporter, by: Sequence[str]) -> list[tuple[tuple[str, ...], Figures]]:
    place = place_of([*case.beginning, *case.said])
    entries = reporter.entries(case)
    return [(key, each.figures) for each in entries for key in keys(by, each, place, case.handling.labels)]


def _said(store: MessageStore, names: Sequence[str], since: int, most: int) -> dict[str, list[Message]]:
    """The newest messages of each down to this time, and not more than so many."""
    found: dict[str, list[Message]] = {name: [] for name in names}
    before = dict.fromkeys(names, END)
    while before:
        asked = list(before)
        pages = store.pages([Span(name, None, before[name], AT_ONCE) for name in asked])
        for name, messages in zip(asked, pages, strict=True):
            found[name] += [each for each in messages if each.accepted_at >= since]
            if len(messages) < AT_ONCE or messages[0].accepted_at < since or len(found[name]) >= most:
                del before[name]
            else:
                before[name] = messages[0].seq
    return found


def _speakers(store: MessageStore, cases: Sequence[Case]) -> Mapping[str, User]:
    return store.users(list({each.sender for case in cases for each in (*case.beginning, *case.said)}))
