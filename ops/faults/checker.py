"""Judges a run from outside: what was accepted, what arrived at providers, what readers saw, how deliveries ended.

Pure: it knows no server, so that its own tests can feed it histories with known faults.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Hashable, Iterable, Sequence

from msgspec import Struct

RANKS = {"PENDING": 0, "SENT": 1, "FAILED": 2, "DELIVERED": 3, "READ": 4}
# The furthest that a channel ever tells: what Telegram took is SENT for good, Messenger names no message that was read.
FURTHEST = {"telegram": "SENT", "messenger": "DELIVERED"}
# The channel of a member's own client.
OWN = "chat4all"


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
    """A reader was told a delivery's state. In order of telling. `delivery` names it, where a resend is another."""

    reader: str
    message_id: str
    recipient: str
    channel: str
    state: str
    delivery: str = ""


class Position(Struct, frozen=True):
    """A reader was told how far somebody has come in a conversation. In order of telling."""

    reader: str
    conversation_id: str
    user: str
    delivered: int
    read: int


class Ended(Struct, frozen=True):
    """A delivery's state at the end of the run. `refused`: it had FAILED on the way, and may have been sent again by hand."""

    message_id: str
    recipient: str
    channel: str
    state: str
    conversation_id: str = ""
    seq: int = 0
    refused: bool = False


class Resumed(Struct, frozen=True):
    """Somebody came back with an old cursor. `owed`: messages that were told after it; `came`: those told since, in order.

    `told`: states told since.
    """

    reader: str
    owed: Sequence[str]
    came: Sequence[str]
    told: Sequence[Told] = ()


class Carried(Struct, frozen=True):
    """A file that somebody sent, and what a reader got of it: checksums."""

    file_id: str
    sent: str
    got: str


class History(Struct, frozen=True):
    """A run as seen from outside. Without `positions` nothing is said of what readers were told of their members' clients."""

    accepted: Sequence[Accepted]
    arrivals: Sequence[Arrival]
    seen: Sequence[Arrival]
    told: Sequence[Told] = ()
    ended: Sequence[Ended] = ()
    positions: Sequence[Position] = ()
    resumed: Sequence[Resumed] = ()
    files: Sequence[Carried] = ()


class Stale(Struct, frozen=True):
    """What a reader was told last of a delivery, "" for nothing, and what is true."""

    reader: str
    message_id: str
    recipient: str
    channel: str
    told: str
    true: str


class Report(Struct, frozen=True):
    """What was wrong; every field is empty after a good run.

    lost: (message, to) that never came. doubled_out, doubled_in: (message, to) that came more than once, and how much
    more, at providers and at streams. inversions: (to, conversation, earlier, later) where the later message came first.
    strangers: (message, to) that nobody sent there. backwards: a state told lower than before. endless: not ended.
    receding: a position told lower than before. stale: what was told last is not what is true. gaps: (reader, message) that was
    not told again to who came back with an old cursor; repeats: told to them twice. spoilt: files that came as others.
    """

    lost: list[tuple[str, str]]
    doubled_out: dict[tuple[str, str], int]
    doubled_in: dict[tuple[str, str], int]
    inversions: list[tuple[str, str, str, str]]
    strangers: list[tuple[str, str]]
    backwards: list[Told]
    endless: list[Ended]
    receding: list[Position] = []
    stale: list[Stale] = []
    gaps: list[tuple[str, str]] = []
    repeats: list[tuple[str, str]] = []
    spoilt: list[Carried] = []

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
    # What failed and was sent again by hand comes after what was said later: nobody can promise otherwise.
    again = {(each.message_id, each.channel) for each in history.ended if each.refused}
    in_order = [each for each in history.arrivals if (each.message_id, each.to.partition(":")[0]) not in again]
    return Report(
        lost=[pair for pair in wanted if pair not in came],
        doubled_out=_doubled(history.arrivals),
        doubled_in=_doubled(history.seen),
        inversions=[*_inversions(history.accepted, in_order), *_inversions(history.accepted, history.seen)],
        strangers=sorted(came.keys() - set(wanted)),
        backwards=_backwards(history.told),
        endless=[each for each in history.ended if not _has_ended(each)],
        receding=_receding(history.positions),
        stale=stale(history),
        gaps=[(each.reader, message) for each in history.resumed for message in each.owed if message not in set(each.came)],
        repeats=[(each.reader, message) for each in history.resumed for message, times in _times(each) if times > 1],
        spoilt=[each for each in history.files if each.sent != each.got],
    )


def stale(history: History) -> list[Stale]:
    """Deliveries whose last told state is not the true one, for every reader who may read them.

    What members' own clients have come to is told as positions; all else as states. Who came back with an old cursor is asked
    for what they were told of.
    """
    true = {(each.message_id, each.recipient, each.channel): each for each in history.ended}
    readers = {each.message_id: each.readers for each in history.accepted}
    told = _last_told(history.told)
    places = {(each.reader, each.conversation_id, each.user): each for each in history.positions}
    found = []
    for key, ended in true.items():
        for reader in sorted(readers.get(ended.message_id, ())):
            if ended.channel == OWN:
                last = _reached(places.get((reader, ended.conversation_id, ended.recipient)), ended.seq)
                # Nobody is told how far they themselves have come.
                known = not history.positions or reader == ended.recipient or last == ended.state
            else:
                states = told.get((reader, *key), {})
                known = not history.told or ended.state in states.values() or (ended.state == "PENDING" and not states)
                last = [*states.values()][-1] if states else ""
            if not known:
                found.append(Stale(reader, *key, last, ended.state))
    return found + [each for one in history.resumed for each in _stale_since(one, true)]


def _stale_since(resumed: Resumed, true: dict[tuple[str, str, str], Ended]) -> list[Stale]:
    last = {key[1:]: [*states.values()][-1] for key, states in _last_told(resumed.told).items()}
    wrong = {key: told for key, told in last.items() if key in true and true[key].state != told}
    return [Stale(resumed.reader, *key, told, true[key].state) for key, told in wrong.items()]


def _last_told(told: Iterable[Told]) -> dict[tuple[str, str, str, str], dict[str, str]]:
    """For (reader, message, recipient, channel): the last state told of each delivery, the one last told of at the end."""
    last: dict[tuple[str, str, str, str], dict[str, str]] = defaultdict(dict)
    for each in told:
        states = last[each.reader, each.message_id, each.recipient, each.channel]
        states.pop(each.delivery, None)
        states[each.delivery] = each.state
    return last


def _reached(position: Position | None, seq: int) -> str:
    """The state of a message for a member whose position was told last."""
    if position is None or max(position.delivered, position.read) < seq:
        return "SENT"
    return "READ" if position.read >= seq else "DELIVERED"


def _times(resumed: Resumed) -> Iterable[tuple[str, int]]:
    return Counter(resumed.came).items()


def _receding(positions: Iterable[Position]) -> list[Position]:
    highest: dict[Hashable, tuple[int, int]] = {}
    found = []
    for each in positions:
        key = (each.reader, each.conversation_id, each.user)
        delivered, read = highest.get(key, (0, 0))
        if each.delivered < delivered or each.read < read:
            found.append(each)
        highest[key] = (max(each.delivered, delivered), max(each.read, read))
    return found


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
        key = (each.reader, each.message_id, each.recipient, each.channel, each.delivery)
        if RANKS[each.state] < highest[key]:
            found.append(each)
        highest[key] = max(highest[key], RANKS[each.state])
    return found
