"""Figures about conversations, from what the store has: page by page of those in which something was said since a time."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from chat4all.model.conversations import User
from chat4all.model.messages import Message
from chat4all.model.reports import Case, Figures, Reporter, keys, place_of, summed
from chat4all.ports import MessageStore, Span
from chat4all.ports.listing import EVERYBODY, SLOT_MS
from webapp.requests.bounds import Bounds

END = 2**62
# Conversations that are read together, and messages of one of them.
TOGETHER, AT_ONCE = 20, 200


class Asked(Struct, frozen=True):
    """What a report is of: from `since` up to, not including, `until` (ms UTC), by these of `reports.DIMENSIONS`."""

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


def page(
    store: MessageStore, asked: Asked, after: Place, limit: int, bounds: Bounds
) -> tuple[dict[tuple[str, ...], Figures], Place | None]:
    """Figures of the next `limit` conversations by their keys, to be added to those of other pages; and where to go on."""
    left = _active(store, asked.since // SLOT_MS, after, limit)
    names = [name for _, name in left[:limit]]
    found: list[tuple[tuple[str, ...], Figures]] = []
    for start in range(0, len(names), TOGETHER):
        found += _rows(store, asked, names[start : start + TOGETHER], bounds)
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
