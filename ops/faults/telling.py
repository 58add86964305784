"""What readers were told of deliveries and of each other, and whether it is true. Pure."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable

from msgspec import Struct

from ops.faults.history import OWN, RANKS, Ended, History, Position, Resumed, Told


class Stale(Struct, frozen=True):
    """What a reader was told last of a delivery, "" for nothing, and what is true."""

    reader: str
    message_id: str
    recipient: str
    channel: str
    told: str
    true: str


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


def receding(positions: Iterable[Position]) -> list[Position]:
    """Positions that were told lower than before."""
    highest: dict[Hashable, tuple[int, int]] = {}
    found = []
    for each in positions:
        key = (each.reader, each.conversation_id, each.user)
        delivered, read = highest.get(key, (0, 0))
        if each.delivered < delivered or each.read < read:
            found.append(each)
        highest[key] = (max(each.delivered, delivered), max(each.read, read))
    return found


def backwards(told: Iterable[Told]) -> list[Told]:
    """States that were told lower than before, of the same delivery."""
    highest: dict[Hashable, int] = defaultdict(int)
    found = []
    for each in told:
        key = (each.reader, each.message_id, each.recipient, each.channel, each.delivery)
        if RANKS[each.state] < highest[key]:
            found.append(each)
        highest[key] = max(highest[key], RANKS[each.state])
    return found


def unfounded(history: History) -> list[Told | Position]:
    """States of deliveries that do not exist, and positions of people who are not there."""
    said = {each.message_id for each in history.accepted}
    true = {(each.message_id, each.recipient, each.channel) for each in history.ended}
    people = _people(history)
    asked = [each for each in history.told if each.message_id in said]
    states = [each for each in asked if (each.message_id, each.recipient, each.channel) not in true]
    strange = [each for each in history.positions if each.user not in people.get(each.conversation_id, {each.user})]
    return [*(states if history.ended else []), *strange]


def leaks(history: History) -> list[tuple[str, str]]:
    """(reader, message or conversation) of which that reader was told, and may not read it."""
    may_read: dict[str, Collection[str]] = {each.message_id: each.readers for each in history.accepted}
    may_read |= _people(history)
    told = [(each.reader, each.message_id) for each in history.told]
    told += [(each.reader, each.conversation_id) for each in history.positions]
    return [each for each in dict.fromkeys(told) if each[0] not in may_read.get(each[1], {each[0]})]


def beyond(history: History) -> list[Position]:
    """Positions told that lie after the last message there is."""
    ends = {conversation: max((row.seq for row in rows), default=0) for conversation, rows in history.kept.items()}
    asked = [each for each in history.positions if each.conversation_id in ends]
    return [each for each in asked if max(each.delivered, each.read) > ends[each.conversation_id]]


def _people(history: History) -> dict[str, set[str]]:
    """Who may read anything of each conversation."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in history.accepted:
        found[each.conversation_id] |= each.readers
    return found
