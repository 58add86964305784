"""The keys of a lane: which have rows in memory, which wait, and whose turn it is. Pure: no I/O, and the time is passed in.

A key is one conversation's messages to one address; its rows go out one after the other. While it is being served it is given
out to nobody else. One that is not being served is *ready* (it has rows in memory), *resting* (it has, and failed a moment ago)
or *waiting* (its rows were written down, and will be found again).
"""

from collections import deque
from collections.abc import Mapping
from heapq import heappop, heappush

from chat4all.model.deliveries import Delivery, DeliveryKey, Lane
from chat4all.ports import Waiting
from tasks.lanes.bounds import BOUNDS, Bounds
from tasks.lanes.timetable import Key, Timetable
from tasks.lanes.window import Place


def key_of_row(row: Delivery) -> Key:
    """The key that a row belongs to, within its lane."""
    return (row.conversation_id, row.address)


def place_of(row: Delivery) -> Place:
    """Where a row stands in its lane."""
    return (row.key.seq, row.key.index)


class Keys:
    """The keys that have something to be sent. Times are ms UTC; `rows` is how many rows are in memory."""

    def __init__(self, lane: Lane, bounds: Bounds = BOUNDS) -> None:
        self.rows = 0
        self._lane, self._bounds = lane, bounds
        self._queues: dict[Key, deque[Delivery]] = {}
        self._ready: deque[Key] = deque()
        self._resting: list[tuple[int, Key]] = []
        self._waits = Timetable()
        # Whether a key that is being served is looked up, rather than served from memory.
        self._serving: dict[Key, bool] = {}
        self._looked_up = 0
        # How often in a row a key failed for a reason of its own; 0 after an outage.
        self._troubled: dict[Key, int] = {}

    # What comes in

    def covers(self, row: Delivery) -> bool:
        """Whether the key waits at this row or before it: then the row is found again when the key is looked up."""
        waiting = self._waits.get(key_of_row(row))
        return waiting is not None and (waiting.seq, waiting.index) <= place_of(row)

    def add(self, row: Delivery, now: int) -> Waiting | None:
        """One more row, by place, that is not covered. What is to be written down, where its key waits from this row on.

        That is where the key has too many rows in memory, and where it waits at a later row. What is written down begins at its
        first row in memory: whoever comes after a crash must find these as well.
        """
        key, place = key_of_row(row), place_of(row)
        queue = self._queues.get(key)
        if key in self._waits or (queue and len(queue) >= self._bounds.of_one_key):
            self._waits.put(Waiting(self._lane, *key, *place, now, 0))
            return Waiting(self._lane, *key, *(place_of(queue[0]) if queue else place), now, 0)
        self.rows += 1
        if queue:
            queue.append(row)
            return None
        self._queues[key] = deque([row])
        if key not in self._serving:
            self._ready.append(key)
        return None

    def wait(self, waiting: Waiting, ends: int = 0) -> None:
        """The key waits so from now on. `ends`: when its first row is too old to be sent; 0: not known."""
        self._waits.put(waiting, ends)

    # Whose turn it is

    def next(self, now: int, closed_ms: int | None) -> Key | None:
        """A key to be served: one that is ready, else one whose time has come and for which there is room.

        `closed_ms`: until the account lets a single send through, to see whether it works again; None: it lets all through.
        Keys that are known to be worth sending then are put off until then without being looked up.
        """
        while self._resting and self._resting[0][0] <= now:
            self._ready.append(heappop(self._resting)[1])
        if self._ready:
            key = self._ready.popleft()
            self._serving[key] = False
            return key
        while self._has_room(closed_ms) and (due := self._waits.take(now)):
            if closed_ms and self._waits.put_off(due, now, now + closed_ms):
                continue
            if due not in self._serving and due not in self._queues:
                self._serving[due] = True
                self._looked_up += 1
                return due
        return None

    def next_at(self, closed_ms: int | None) -> int | None:
        """When to ask for the next key. None: not before one was added, or served."""
        rested = self._resting[0][0] if self._resting else None
        due = self._waits.next_at() if self._has_room(closed_ms) else None
        return min((at for at in (rested, due) if at is not None), default=None)

    def has_due(self, at: int) -> bool:
        """Whether a key is being served, or waits for a time before this one."""
        return bool(self._serving) or self._waits.due_before(at)

    def _has_room(self, closed_ms: int | None) -> bool:
        return self._looked_up < (1 if closed_ms == 0 else self._bounds.catch_ups)

    # Serving a key

    def head(self, key: Key) -> Delivery | None:
        """Its first row in memory."""
        queue = self._queues.get(key)
        return queue[0] if queue else None

    def pop(self, key: Key) -> None:
        """Its first row in memory is done with."""
        queue = self._queues[key]
        queue.popleft()
        self.rows -= 1
        if not queue:
            del self._queues[key]

    def forget(self, key: Key) -> list[Delivery]:
        """Its rows, which are in memory no more: the key waits, and they will be found again."""
        rows = list(self._queues.pop(key, ()))
        self.rows -= len(rows)
        return rows

    def waiting(self, key: Key) -> Waiting | None:
        """From where on it waits, if it does."""
        return self._waits.get(key)

    def resume(self, key: Key) -> None:
        """It waits no more: all its rows up to where the lane was read have ended."""
        self._waits.remove(key)

    def served(self, key: Key, now: int, pause_ms: int = 0) -> bool:
        """It is being served no more, and not again within the pause; whether somebody's turn may have come by this."""
        looked_up = self._serving.pop(key)
        self._looked_up -= looked_up
        if key in self._queues and pause_ms:
            heappush(self._resting, (now + pause_ms, key))
        elif key in self._queues:
            self._ready.append(key)
        else:
            self.arm(key, now + pause_ms if pause_ms else 0)
        return looked_up or key in self._queues or key in self._waits

    def arm(self, key: Key, not_before: int = 0) -> None:
        """Have it looked up in its time, if it waits and is neither in memory nor being served."""
        if key in self._waits and key not in self._serving and key not in self._queues:
            self._waits.arm(key, not_before)

    # Trouble

    def failed(self, key: Key, by_itself: bool) -> int:
        """It could not be served; how often in a row for a reason of its own. An outage is nobody's fault."""
        self._troubled[key] = self._troubled.get(key, 0) + by_itself
        return self._troubled[key]

    def succeeded(self, key: Key) -> None:
        """It was served as far as it could be."""
        self._troubled.pop(key, None)

    def stale(self, key: Key) -> list[DeliveryKey]:
        """Its rows in memory that are to be read anew: what failed may have written facts before it did."""
        return [row.key for row in self._queues.get(key, ())] if key in self._troubled else []

    def renew(self, key: Key, rows: Mapping[DeliveryKey, Delivery]) -> None:
        """Its rows in memory, with what is known of them now."""
        self._queues[key] = deque(rows.get(row.key, row) for row in self._queues[key])
