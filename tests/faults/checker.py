"""Judges a run from outside: what was accepted, what arrived at providers, what readers saw, how deliveries ended.

Pure: it knows no server, so that its own tests can feed it histories with known faults.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Hashable, Iterable, Sequence

from msgspec import Struct

RANKS = {"PENDING": 0, "SENT": 1, "FAILED": 2, "DELIVERED": 3, "READ": 4}
# The furthest that a channel ever tells: what Telegram took is SENT for good, Messenger names no message that was read.
FURTHEST = {"telegram": "SENT", "messenger": "DELIVERED"}


class Accepted(Struct, frozen=True):
    """A message that was acknowledged, whom it must reach, and how. `number` is its place in its conversation.

    `at`: when the acknowledgement came, in milliseconds UTC.
    """

    message_id: str
    conversation_id: str
    number: int
    readers: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    at: int = 0


class Arrival(Struct, frozen=True):
    """A message came to somebody: to a provider for an address, or to a reader's stream. In order of arrival."""

    to: str
    conversation_id: str
    message_id: str
    at: int = 0


class Told(Struct, frozen=True):
    """A reader was told a delivery's state. In order of telling."""

    reader: str
    message_id: str
    recipient: str
    channel: str
    state: str


class Ended(Struct, frozen=True):
    """A delivery's state at the end of the run."""

    message_id: str
    recipient: str
    channel: str
    state: str


class History(Struct, frozen=True):
    """A run as seen from outside."""

    accepted: Sequence[Accepted]
    arrivals: Sequence[Arrival]
    seen: Sequence[Arrival]
    told: Sequence[Told] = ()
    ended: Sequence[Ended] = ()


class Report(Struct, frozen=True):
    """What was wrong; every field is empty after a good run.

    lost: (message, to) that never came. doubled_out, doubled_in: (message, to) that came more than once, and how much
    more, at providers and at streams. inversions: (to, conversation, earlier, later) where the later message came first.
    strangers: (message, to) that nobody sent there. backwards: a state told lower than before. endless: not ended.
    """

    lost: list[tuple[str, str]]
    doubled_out: dict[tuple[str, str], int]
    doubled_in: dict[tuple[str, str], int]
    inversions: list[tuple[str, str, str, str]]
    strangers: list[tuple[str, str]]
    backwards: list[Told]
    endless: list[Ended]

    @property
    def good(self) -> bool:
        """Nothing was wrong."""
        return not any(getattr(self, name) for name in self.__struct_fields__)

    def summary(self) -> dict[str, int]:
        """How many of each, for people."""
        return {name: len(getattr(self, name)) for name in self.__struct_fields__}


def check(history: History) -> Report:
    """Judge a run."""
    wanted = [(each.message_id, to) for each in history.accepted for to in each.readers | each.addresses]
    came = Counter((each.message_id, each.to) for each in [*history.arrivals, *history.seen])
    return Report(
        lost=[pair for pair in wanted if pair not in came],
        doubled_out=_doubled(history.arrivals),
        doubled_in=_doubled(history.seen),
        inversions=[*_inversions(history.accepted, history.arrivals), *_inversions(history.accepted, history.seen)],
        strangers=sorted(came.keys() - set(wanted)),
        backwards=_backwards(history.told),
        endless=[each for each in history.ended if not _has_ended(each)],
    )


def recovery_ms(history: History, hit_at: int, excused: Container[tuple[str, str]] = ()) -> int:
    """How long after `hit_at` (ms UTC) the last of what had been accepted by then came for the first time; 0: all was there.

    `excused`: (to, conversation) whose time says nothing, because a call of unknown outcome has to be waited for.
    """
    firsts = _firsts(history)
    came = [
        firsts[each.message_id, to]
        for each in history.accepted
        for to in each.readers | each.addresses
        if each.at <= hit_at and (each.message_id, to) in firsts and (to, each.conversation_id) not in excused
    ]
    return max(0, max(came, default=0) - hit_at)


def waiting_at(history: History, at: int) -> int:
    """How many (message, to) had been accepted by then and came later: the backlog."""
    firsts = _firsts(history)
    return sum(
        firsts.get((each.message_id, to), at + 1) > at
        for each in history.accepted
        if each.at <= at
        for to in each.readers | each.addresses
    )


def _firsts(history: History) -> dict[tuple[str, str], int]:
    firsts: dict[tuple[str, str], int] = {}
    for each in [*history.arrivals, *history.seen]:
        firsts.setdefault((each.message_id, each.to), each.at)
    return firsts


def _has_ended(delivery: Ended) -> bool:
    return delivery.state == "FAILED" or RANKS[delivery.state] >= RANKS[FURTHEST.get(delivery.channel, "READ")]


def _doubled(arrivals: Iterable[Arrival]) -> dict[tuple[str, str], int]:
    counts = Counter((each.message_id, each.to) for each in arrivals)
    return {pair: count - 1 for pair, count in counts.items() if count > 1}


def _inversions(accepted: Iterable[Accepted], arrivals: Iterable[Arrival]) -> list[tuple[str, str, str, str]]:
    """First arrivals only: a repeat is a double, not a disorder."""
    numbers = {each.message_id: each.number for each in accepted}
    newest: dict[tuple[str, str], str] = {}
    known: set[Hashable] = set()
    found = []
    for each in arrivals:
        if (each.message_id, each.to) in known or each.message_id not in numbers:
            continue
        known.add((each.message_id, each.to))
        key = (each.to, each.conversation_id)
        before = newest.get(key, each.message_id)
        if numbers[before] > numbers[each.message_id]:
            found.append((*key, each.message_id, before))
        else:
            newest[key] = each.message_id
    return found


def _backwards(told: Iterable[Told]) -> list[Told]:
    highest: dict[Hashable, int] = defaultdict(int)
    found = []
    for each in told:
        key = (each.reader, each.message_id, each.recipient, each.channel)
        if RANKS[each.state] < highest[key]:
            found.append(each)
        highest[key] = max(highest[key], RANKS[each.state])
    return found
