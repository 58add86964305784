"""Whether what was said is kept as it was said, where it was said, and with all its deliveries. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from ops.faults.history import OWN, Accepted, Ended, History, Kept

HISTORY = "history"


class Miscount(Struct, frozen=True):
    """How many on a channel a message has deliveries to, and how many it went to."""

    message_id: str
    channel: str
    deliveries: int
    addresses: int


def unkept(history: History) -> list[tuple[str, str]]:
    """(message, conversation) that was acknowledged and is not in that conversation's history."""
    kept = {conversation: {row.message_id for row in rows} for conversation, rows in history.kept.items()}
    asked = [each for each in history.accepted if each.conversation_id in kept]
    return [(each.message_id, each.conversation_id) for each in asked if each.message_id not in kept[each.conversation_id]]


def misfiled(history: History) -> list[tuple[str, str, str]]:
    """(message, where, conversation): it was said in another conversation than the one in which it is told there."""
    said_in = {each.message_id: each.conversation_id for each in history.accepted}
    told = [(each.message_id, each.to, each.conversation_id) for each in (*history.arrivals, *history.seen)]
    told += [(row.message_id, HISTORY, conversation) for conversation, row in _rows(history)]
    return sorted({(message, where, at) for message, where, at in told if said_in.get(message, at) != at})


def misplaced(history: History) -> list[tuple[str, str, str]]:
    """(conversation, earlier, later): in the history the earlier message stands after the later one, or has no higher seq
    than the one before.
    """
    said = {each.message_id: each for each in history.accepted}
    return [(conversation, *pair) for conversation, rows in history.kept.items() for pair in _swapped(conversation, rows, said)]


def _swapped(conversation: str, rows: Iterable[Kept], said: Mapping[str, Accepted]) -> Iterator[tuple[str, str]]:
    above: Kept | None = None
    newest: Accepted | None = None
    known: set[str] = set()
    for row in rows:
        if above and row.seq <= above.seq:
            yield row.message_id, above.message_id
        above = row
        message = said.get(row.message_id)
        if message is None or message.conversation_id != conversation or row.message_id in known:
            continue
        known.add(row.message_id)
        if newest and message.number < newest.number:
            yield message.message_id, newest.message_id
        else:
            newest = message


def reused(history: History) -> list[str]:
    """Ids that name two messages: they stand in histories twice, or were acknowledged for two contents."""
    rows = Counter(row.message_id for _, row in _rows(history))
    contents: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for each in history.accepted:
        contents[each.message_id].add((each.conversation_id, each.text, each.file))
    twice = [message for message, times in rows.items() if times > 1]
    return sorted({*twice, *(message for message, said in contents.items() if len(said) > 1)})


def altered(history: History) -> list[tuple[str, str, str]]:
    """(message, where, what): what is told of it there is not what was said."""
    said = {each.message_id: each for each in history.accepted}
    came = [(each.message_id, each.to, each.text) for each in (*history.arrivals, *history.seen)]
    found = [each for each in came if not _shows(said.get(each[0]), each[2])]
    for _, row in _rows(history):
        message = said.get(row.message_id)
        if message and message.text and row.text != message.text:
            found.append((row.message_id, HISTORY, row.text))
        if message and row.file != message.file:
            found.append((row.message_id, HISTORY, row.file))
    return found


def _shows(message: Accepted | None, text: str) -> bool:
    """Where several share a conversation the speaker's name stands in front."""
    if message is None or not message.text or not text:
        return True
    return text == message.text or text.endswith((f": {message.text}", f"\n{message.text}"))


def unexplained(history: History) -> list[Ended]:
    """Deliveries that FAILED, and nobody says why."""
    return [each for each in history.ended if each.state == "FAILED" and not each.reason]


def miscounted(history: History) -> list[Miscount]:
    """Messages whose deliveries over channels are not to as many as they went to."""
    if not history.ended:
        return []
    people: dict[tuple[str, str], set[str]] = defaultdict(set)
    known = {each.message_id for each in history.ended}
    for ended in history.ended:
        people[ended.message_id, ended.channel].add(ended.recipient)
    went = {(each.message_id, to) for each in history.accepted if each.message_id in known for to in each.addresses}
    wanted = Counter((message, to.partition(":")[0]) for message, to in went)
    said = {each.message_id for each in history.accepted}
    keys = {key for key in people.keys() | wanted.keys() if key[1] != OWN and key[0] in said}
    return [Miscount(*key, len(people[key]), wanted[key]) for key in sorted(keys) if len(people[key]) != wanted[key]]


def _rows(history: History) -> Iterator[tuple[str, Kept]]:
    return ((conversation, row) for conversation, rows in history.kept.items() for row in rows)
