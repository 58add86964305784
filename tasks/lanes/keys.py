"""The keys of a lane: which have rows in memory, which wait, and whose turn it is. Pure: no I/O, and the time is passed in.

A key is one conversation's messages to one address from one account; its rows go out one after the other. While it is being
served it is given out to nobody else. One that is not being served is *ready* (it has rows in memory), *resting* (it has, and
failed a moment ago) or *waiting* (its rows were written down, and will be found again).
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from heapq import heappop, heappush

from msgspec import Struct

from chat4all.model.deliveries import Delivery, DeliveryKey, Lane
from chat4all.ports import Waiting
from tasks.lanes.bounds import BOUNDS, Bounds
from tasks.lanes.timetable import Key, Timetable, waits_at
from tasks.lanes.window import Place


def key_of_row(row: Delivery) -> Key:
    """The key that a row belongs to, within its lane."""
    return (row.conversation_id, row.address, row.account)


def account_of(key: Key) -> str:
    """The account that a key is sent from; empty: the environment's."""
    return key[2]


def place_of(row: Delivery) -> Place:
    """Where a row stands in its lane."""
    return (row.key.seq, row.key.index)


# Until an account lets a single send through, to see whether it works again (ms); None: it lets all through.
Closed = Callable[[str], int | None]


class Serving(Struct):
    """A key that is being served: whether it is looked up, rather than served from memory; and to be, once more, after that."""

    is_looked_up: bool
    once_more: bool = False


class Keys:
    """The keys that have something to be sent. Times are ms UTC; `rows` is how many rows are in memory.

    `several`: whether the lane's channel sends from several accounts. Then none of them may take all places in memory or all
    look-ups, and the lane is read on however many rows there are.
    """

    def __init__(self, lane: Lane, bounds: Bounds = BOUNDS, several: Callable[[], bool] = lambda: False) -> None:
        self.rows = 0
        self._lane, self._bounds, self._several = lane, bounds, several
        self._rows_of: Counter[str] = Counter()
        self._queues: dict[Key, deque[Delivery]] = {}
        self._ready: deque[Key] = deque()
        self._resting: list[tuple[int, Key]] = []
        # By account, of those that have such keys.
        self._waits: dict[str, Timetable] = {}
        self._serving: dict[Key, Serving] = {}
        self._looked_up: Counter[str] = Counter()
        # How often in a row a key failed for a reason of its own; 0 after an outage.
        self._troubled: dict[Key, int] = {}

    # What comes in

    def covers(self, row: Delivery) -> bool:
        """Whether the key waits at this row or before it: then the row is found again when the key is looked up."""
        waiting = self.waiting(key_of_row(row))
        return waiting is not None and (waiting.seq, waiting.index) <= place_of(row)

    def add(self, row: Delivery, now: int) -> Waiting | None:
        """One more row, by place, that is not covered. What is to be written down, where its key waits from this row on.

        That is where the key has too many rows in memory, and where it waits at a later row. What is written down begins at its
        first row in memory: whoever comes after a crash must find these as well.
        """
        key, place = key_of_row(row), place_of(row)
        queue = self._queues.get(key)
        if self._is_waiting(key) or (queue and len(queue) >= self._bounds.of_one_key) or self._is_full(account_of(key)):
            self.wait(waits_at(self._lane, key, place, now))
            return waits_at(self._lane, key, place_of(queue[0]) if queue else place, now)
        self._count(key, 1)
        if queue:
            queue.append(row)
            return None
        self._queues[key] = deque([row])
        if key not in self._serving:
            self._ready.append(key)
        return None

    def wait(self, waiting: Waiting, ends: int = 0) -> None:
        """The key waits so from now on. `ends`: when its first row is too old to be sent; 0: not known."""
        self._waits.setdefault(waiting.account, Timetable()).put(waiting, ends)

    def _is_waiting(self, key: Key) -> bool:
        return key in self._waits.get(account_of(key), ())

    def has_place(self) -> bool:
        """Whether more rows may be read."""
        return self.rows < self._bounds.in_memory or self._several()

    def _is_full(self, account: str) -> bool:
        """Whether an account has no place in memory for one more row, so that others keep theirs."""
        if not self._several():
            return False
        rows, bounds = self._rows_of[account], self._bounds
        return rows >= bounds.of_one_account or (self.rows >= bounds.in_memory and rows >= bounds.of_any_account)

    def _count(self, key: Key, more: int) -> None:
        self.rows += more
        self._rows_of[account_of(key)] += more

    # Whose turn it is

    def next(self, now: int, closed: Closed) -> Key | None:
        """A key to be served: one that is ready, else one whose time has come and for which there is room.

        Keys that are known to be worth sending when their account lets a send through are put off until then without being
        looked up.
        """
        while self._resting and self._resting[0][0] <= now:
            self._ready.append(heappop(self._resting)[1])
        if self._ready:
            key = self._ready.popleft()
            self._serving[key] = Serving(False)
            return key
        for account, table in self._waits.items():
            due = self._due(account, table, now, closed(account))
            if due:
                return due
        return None

    def _due(self, account: str, table: Timetable, now: int, closed_ms: int | None) -> Key | None:
        while self._has_room(account, closed_ms) and (due := table.take(now)):
            if closed_ms and table.put_off(due, now, now + closed_ms):
                continue
            if due not in self._serving and due not in self._queues:
                self._serving[due] = Serving(True)
                self._looked_up[account] += 1
                return due
        return None

    def next_at(self, closed: Closed) -> int | None:
        """When to ask for the next key. None: not before one was added, or served."""
        rested = self._resting[0][0] if self._resting else None
        due = [table.next_at() for account, table in self._waits.items() if self._has_room(account, closed(account))]
        return min((at for at in (rested, *due) if at is not None), default=None)

    def has_due(self, at: int) -> bool:
        """Whether a key is being served, or waits for a time before this one."""
        return bool(self._serving) or any(table.due_before(at) for table in self._waits.values())

    def _has_room(self, account: str, closed_ms: int | None) -> bool:
        most = self._bounds.catch_ups_of_one_account if self._several() else self._bounds.catch_ups
        return self._looked_up[account] < (1 if closed_ms == 0 else most)

    # Serving a key

    def head(self, key: Key) -> Delivery | None:
        """Its first row in memory."""
        queue = self._queues.get(key)
        return queue[0] if queue else None

    def pop(self, key: Key) -> None:
        """Its first row in memory is done with."""
        queue = self._queues[key]
        queue.popleft()
        self._count(key, -1)
        if not queue:
            del self._queues[key]

    def forget(self, key: Key) -> list[Delivery]:
        """Its rows, which are in memory no more: the key waits, and they will be found again."""
        rows = list(self._queues.pop(key, ()))
        self._count(key, -len(rows))
        return rows

    def waiting(self, key: Key) -> Waiting | None:
        """From where on it waits, if it does."""
        table = self._waits.get(account_of(key))
        return table.get(key) if table else None

    def resume(self, key: Key) -> None:
        """It waits no more: all its rows up to where the lane was read have ended."""
        table = self._waits[account_of(key)]
        table.remove(key)
        if not table:
            del self._waits[account_of(key)]

    def served(self, key: Key, now: int, pause_ms: int = 0) -> bool:
        """It is being served no more, and not again within the pause; whether somebody's turn may have come by this."""
        serving = self._serving.pop(key)
        looked_up = serving.is_looked_up
        self._looked_up[account_of(key)] -= looked_up
        if key in self._queues and pause_ms:
            heappush(self._resting, (now + pause_ms, key))
        elif key in self._queues:
            self._ready.append(key)
        else:
            self.arm(key, now + pause_ms if pause_ms else 0)
            if serving.once_more and self._is_waiting(key):
                self._waits[account_of(key)].hurry(key, now + pause_ms)
        return looked_up or key in self._queues or self._is_waiting(key)

    def arm(self, key: Key, not_before: int = 0) -> None:
        """Have it looked up in its time, if it waits and is neither in memory nor being served."""
        if self._is_waiting(key) and key not in self._serving and key not in self._queues:
            self._waits[account_of(key)].arm(key, not_before)

    def hurry(self, key: Key, now: int) -> bool:
        """Have it looked at now, or when it has been served, if it waits; whether it is known here at all."""
        if key in self._serving:
            self._serving[key].once_more = True
        elif key not in self._queues and self._is_waiting(key):
            self._waits[account_of(key)].hurry(key, now)
        return key in self._serving or key in self._queues or self._is_waiting(key)

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
