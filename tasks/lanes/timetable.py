"""The keys of a lane that wait, ordered by time. A look costs nothing for keys whose time has not come."""

from heapq import heappop, heappush

from chat4all.model.deliveries import Lane
from chat4all.ports import Waiting

# A conversation, an address, and the account that is sent from.
Key = tuple[str, str, str]


def key_of(waiting: Waiting) -> Key:
    """The key that waits, within its lane."""
    return (waiting.conversation_id, waiting.address, waiting.account)


def waits_at(lane: Lane, key: Key, place: tuple[int, int], retry_at: int, refusals: int = 0) -> Waiting:
    """That a key of this lane waits at a place: seq, and index."""
    conversation_id, address, account = key
    return Waiting(lane, conversation_id, address, *place, retry_at, refusals, account=account)


class Timetable:
    """Each key has its `Waiting` and, unless it is being served, a time at which it is to be looked at (ms UTC).

    That time is the row's `retry_at`, or later where it was put off. `ends`: when the key's first row is too old to be sent,
    where this is known; it is not put off beyond that.
    """

    def __init__(self) -> None:
        self._rows: dict[Key, Waiting] = {}
        self._ends: dict[Key, int] = {}
        self._at: dict[Key, int] = {}
        self._heap: list[tuple[int, Key]] = []
        self._put_off: set[Key] = set()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    def get(self, key: Key) -> Waiting | None:
        """The key's row, if it waits."""
        return self._rows.get(key)

    def put(self, waiting: Waiting, ends: int = 0) -> None:
        """The key waits so from now on. `ends` 0: not known."""
        key = key_of(waiting)
        self._rows[key] = waiting
        self._ends[key] = ends
        self.arm(key)

    def arm(self, key: Key, not_before: int = 0) -> None:
        """Have a key that waits looked at in its time, or later than that."""
        waiting = self._rows[key]
        at = max(waiting.retry_at, not_before)
        (self._put_off.add if at > waiting.retry_at else self._put_off.discard)(key)
        self._at[key] = at
        heappush(self._heap, (at, key))

    def hurry(self, key: Key, at: int) -> None:
        """Have a key that waits looked at by then, whenever its time is."""
        self._at[key] = at
        heappush(self._heap, (at, key))

    def put_off(self, key: Key, now: int, until: int) -> bool:
        """Have it looked at later, if it is known to be worth sending then."""
        if self._ends[key] <= now:
            return False
        self.arm(key, min(until, self._ends[key]))
        return True

    def remove(self, key: Key) -> None:
        """The key waits no more."""
        del self._rows[key], self._ends[key]
        self._at.pop(key, None)
        self._put_off.discard(key)

    def next_at(self) -> int | None:
        """When a key is to be looked at; None: no key has a time."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: int) -> Key | None:
        """A key whose time has come, the longest due first. It has no time until it is armed again."""
        at = self.next_at()
        if at is None or at > now:
            return None
        key = heappop(self._heap)[1]
        del self._at[key]
        return key

    def due_before(self, at: int) -> bool:
        """Whether a key's own time comes before this one: also where it was put off, which is known to nobody else."""
        first = self.next_at()
        return bool(self._put_off) or (first is not None and first < at)
