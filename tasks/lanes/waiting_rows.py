"""Finds the rows of a waiting key again, which reading the lane has skipped: by its conversation's messages, or by the lane."""

from collections.abc import Sequence

from msgspec import Struct

from chat4all.model.deliveries import Delivery
from chat4all.model.messages import Message
from chat4all.model.slots import delivery_key, slots
from chat4all.ports import MessageStore, Waiting

SCAN = 500

Place = tuple[int, int]


class Found(Struct, frozen=True):
    """Some rows of a key, ascending, and where to look on; None when there is nothing more up to the limit."""

    rows: list[Delivery]
    after: Place | None


class Finder:
    """Finds one key's rows: through its conversation's messages, or through the whole lane where messages are gone.

    Messages may be forgotten or erased while their deliveries wait. They go oldest first, so the one that the key waits at
    tells whether the others can be relied on.
    """

    def __init__(self, store: MessageStore, waiting: Waiting, messages: int, scan: int = SCAN) -> None:
        """`messages`: so many in one read; `scan`: so many rows of the lane."""
        self._store, self._waiting, self._most, self._scan = store, waiting, messages, scan
        self._scans = False

    def rows(self, place: Place, limit: Place) -> Found:
        """A page of rows in [place, limit]. Blocks."""
        if place > limit:
            return Found([], None)
        if not self._scans:
            found = self._through_messages(place, limit)
            if found is not None:
                return found
            self._scans = True
        return self._through_lane(place, limit)

    def _through_messages(self, place: Place, limit: Place) -> Found | None:
        first = self._waiting
        page = self._store.page(first.conversation_id, place[0] - 1, limit[0] + 1, self._most)
        if place <= (first.seq, first.index) and not self._is_kept(page):
            return None
        keys = [
            delivery_key(message, slot, first.lane.partition)
            for message in page
            for slot in slots(message)
            if (slot.recipient.channel, slot.recipient.address, slot.recipient.account)
            == (first.lane.channel, first.address, first.account)
            and place <= (message.seq, slot.index) <= limit
        ]
        found = self._store.deliveries(keys) if keys else {}
        return Found(
            [found[key] for key in sorted(found)], _after(page[-1].seq + 1, 0, limit) if len(page) == self._most else None
        )

    def _is_kept(self, page: Sequence[Message]) -> bool:
        """Whether the message that the key waits at is still there: on this page, or behind it."""
        first = self._waiting
        if any(message.seq == first.seq for message in page):
            return True
        return bool(self._store.page(first.conversation_id, first.seq - 1, first.seq + 1, 1))

    def _through_lane(self, place: Place, limit: Place) -> Found:
        first = self._waiting
        page = self._store.lane_rows(first.lane, (place[0], place[1] - 1), limit[0], self._scan)
        mine = [
            row
            for row in page
            if (row.conversation_id, row.address, row.account) == (first.conversation_id, first.address, first.account)
            and (row.key.seq, row.key.index) <= limit
        ]
        return Found(mine, _after(page[-1].key.seq, page[-1].key.index + 1, limit) if len(page) == self._scan else None)


def _after(seq: int, index: int, limit: Place) -> Place | None:
    """Where to look on. A page may end beyond the limit, in the middle of a message: what is there is still to be looked at."""
    return (seq, index) if (seq, index) <= limit else None
