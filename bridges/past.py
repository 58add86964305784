"""What the store tells a reader who resumes: the messages between cursor and horizon, then what has changed since.

All generators here block; the stream server runs them step by step on a thread. Each holds a bounded number of messages.
"""

from collections.abc import Iterator, Sequence
from heapq import merge

from bridges.subscriptions import Cursor, Parcel
from chat4all.conversations import Membership
from chat4all.deliveries import Delivery, DeliveryKey, Lane, State, Watermark, state
from chat4all.messages import Message
from chat4all.ports import MessageStore
from chat4all.records import NewRecord, Record, partition_of
from tasks.events import message_event, position_event, state_event

HELD = 1_000
CHUNK = 100
CHUNK_OCTETS = 256 << 10
NEWEST = 100
SLACK_MS = 60_000


class Past:
    """The past of conversations, as events. `partitions` is the count of chat-events."""

    def __init__(self, store: MessageStore, partitions: int) -> None:
        self._store = store
        self._partitions = partitions

    def messages(self, user: str, cursor: Cursor, horizon: dict[int, int]) -> Iterator[list[Parcel]]:
        """Chunks of all messages in (cursor, horizon] that `user` may read, partition by partition, each by seq."""
        memberships = self._store.memberships(self._store.conversations_of(user))
        starts = self._starts(user, cursor, list(memberships))
        newest = self._store.last_seqs(list(starts))
        waiting = [name for name, start in starts.items() if newest.get(name, -1) > start]
        for partition, names in self._by_partition(waiting):
            size = max(5, HELD // len(names))
            readers = [self._read(user, memberships[each], starts[each], horizon.get(partition, -1), size) for each in names]
            yield from _chunks(self._parcel(message) for message in merge(*readers, key=_seq))

    def _starts(self, user: str, cursor: Cursor, names: list[str]) -> dict[str, int]:
        """Per conversation the seq after which to begin: the cursor's, else what the user has acknowledged."""
        begun = {name: cursor.positions.get(partition_of(name, self._partitions)) for name in names}
        new = [name for name, position in begun.items() if position is None]
        marks = self._store.watermarks(new) if new else {}
        return {name: _acknowledged(user, marks.get(name, [])) if at is None else at for name, at in begun.items()}

    def _by_partition(self, names: list[str]) -> list[tuple[int, list[str]]]:
        grouped: dict[int, list[str]] = {}
        for name in names:
            grouped.setdefault(partition_of(name, self._partitions), []).append(name)
        return sorted(grouped.items())

    def _read(self, user: str, membership: Membership, after: int, up_to: int, size: int) -> Iterator[Message]:
        """One conversation's readable messages with after < seq <= up_to, a page at a time."""
        name = membership.conversation.conversation_id
        while page := self._store.page(name, after, up_to + 1, size):
            for message in page:
                if not message.resend_of and membership.may_read(user, message.members_version):
                    yield message
            after = page[-1].seq
            if len(page) < size:
                return

    def changes(self, user: str, since: int) -> Iterator[list[Parcel]]:
        """Chunks of positions, then delivery states, that came to be known since this time (ms UTC, with some slack).

        States are looked for in the newest messages of each conversation: at most `NEWEST`, fewer for a user of many.
        """
        memberships = self._store.memberships(self._store.conversations_of(user))
        mine = {name: each for name, each in memberships.items() if each.has(user)}
        marks = self._store.watermarks(list(mine))
        told = (position_event(mark, _marked_at(mark), self._partitions) for each in marks.values() for mark in each
                if _marked_at(mark) >= since - SLACK_MS)  # fmt: skip
        yield from _chunks(map(_as_parcel, told))
        limit = min(NEWEST, max(5, 20 * HELD // max(1, len(mine))))
        for membership in mine.values():
            yield from _chunks(self._states(user, membership, since, limit))

    def _states(self, user: str, membership: Membership, since: int, limit: int) -> Iterator[Parcel]:
        page = self._store.page(membership.conversation.conversation_id, None, None, limit)
        readable = [each for each in page if each.recipients and membership.may_read(user, each.members_version)]
        keys = [key for message in readable for key in self._keys(message)]
        rows = self._store.deliveries(keys) if keys else {}
        for key in keys:
            row = rows.get(key)
            if row and state(row.facts) is not State.PENDING and _changed_at(row) >= since - SLACK_MS:
                yield _as_parcel(state_event(row, _changed_at(row), self._partitions))

    def _keys(self, message: Message) -> list[DeliveryKey]:
        partition = partition_of(message.conversation_id, self._partitions)
        recipients = enumerate(message.recipients)
        return [DeliveryKey(Lane(each.channel, partition), message.seq, index) for index, each in recipients]

    def _parcel(self, message: Message) -> Parcel:
        return _as_parcel(message_event(message, self._partitions))


def _as_parcel(record: NewRecord) -> Parcel:
    parcel = Parcel.of(Record(record.topic, record.partition, -1, record.key, record.value, record.headers, 0))
    # Reading an old message again is no step on its way.
    parcel.trace = ""
    return parcel


def _seq(message: Message) -> int:
    return message.seq


def _chunks(parcels: Iterator[Parcel]) -> Iterator[list[Parcel]]:
    """Parcels in lists that a reader takes as one message: clients refuse those of 4 MiB."""
    chunk: list[Parcel] = []
    octets = 0
    for parcel in parcels:
        chunk.append(parcel)
        octets += len(parcel.event)
        if len(chunk) == CHUNK or octets >= CHUNK_OCTETS:
            yield chunk
            chunk, octets = [], 0
    if chunk:
        yield chunk


def _acknowledged(user: str, marks: Sequence[Watermark]) -> int:
    """Up to which seq the user's clients have said they have all; 0 for nothing."""
    mine = [max(mark.delivered_up_to, mark.read_up_to) for mark in marks if mark.user_id == user]
    return max(mine, default=0)


def _marked_at(mark: Watermark) -> int:
    return max(mark.delivered_at, mark.read_at)


def _changed_at(row: Delivery) -> int:
    facts = row.facts
    return max(facts.sent_at, facts.refused_at, facts.failed_at, facts.delivered_at, facts.read_at)
