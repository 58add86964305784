"""What a reader who resumes gets from the store: the messages between cursor and horizon, then what was learned since.

All generators here block; the stream server runs them step by step on a thread. Each holds a bounded number of messages, and
reads many conversations at once: a reader may be in a hundred thousand of them.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from bridges.streaming.cursor import Cursor
from bridges.streaming.times import TIMES
from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.content import Deletion, Edit
from chat4all.model.conversations import Membership
from chat4all.model.deliveries import Delivery, DeliveryKey, State, Watermark, state
from chat4all.model.event_naming import with_bare_ids
from chat4all.model.events import Event
from chat4all.model.ids import reload_event_id
from chat4all.model.messages import Message
from chat4all.model.modifiers import Modification, Place, without_words
from chat4all.model.records import partition_of
from chat4all.model.slots import delivery_key, slots
from chat4all.ports import Change, MessageStore, Span
from chat4all.ports.changes import KEPT_DAYS
from chat4all.services.acceptance.conversation_events import conversation_event
from chat4all.services.modified import modifications_of
from chat4all.v1 import chat_pb2 as pb
from tasks.outcomes.events import as_one, message_event, position_event, rejection, state_event
from tasks.outcomes.legs import audible

# Messages in memory at once, for one reader who catches up: some MB.
MESSAGES_AT_ONCE = 4_000
AT_ONCE = 1_000
CHUNK = 100
CHUNK_OCTETS = 256 << 10
# An empty cursor is told the states of so many messages of each conversation (docs/api.md, Streams).
NEWEST = 100
# Where reactions and other changes are most of a conversation, so many pages are read for that.
ROUNDS = 10
KEPT_MS = KEPT_DAYS * DAY_MS

T = TypeVar("T")


class HistoryReader:
    """The past of conversations, as events. `partitions` is the count of chat-events.

    `names`: the conversations to look at, where that is known; else all that the user is or was in.
    """

    def __init__(
        self, store: MessageStore, partitions: int, slack_ms: int = TIMES.slack_ms, at_once: int = MESSAGES_AT_ONCE
    ) -> None:
        self._store, self._slack_ms, self._most = store, slack_ms, at_once
        self._partitions = partitions

    def messages(
        self, user: str, cursor: Cursor, horizon: dict[int, int], names: Iterable[str] | None = None
    ) -> Iterator[list[Event]]:
        """Chunks of all messages in (cursor, horizon] that `user` may read, partition by partition, each by seq."""
        asked = self._store.conversations_of(user) if names is None else sorted(names)
        begun = now_ms()
        starts = self._starts(user, cursor, asked)
        newest = self._store.last_seqs(asked)
        grouped = self._by_partition([name for name in asked if newest.get(name, -1) > starts[name]])
        first = {partition: min(starts[name] for name in mine) for partition, mine in grouped}
        cursor.begin(begun, {**horizon, **first})
        for partition, mine in grouped:
            readers = self._store.memberships(mine, user)
            spans = {name: starts[name] for name in mine if name in readers}
            found = self._merged(spans, horizon.get(partition, -1))
            yield from _chunks(self._message(each) for each in found if _is_shown(each, readers[each.conversation_id], user))

    def _starts(self, user: str, cursor: Cursor, names: list[str]) -> dict[str, int]:
        """Per conversation the seq after which to begin: the cursor's, else what the user has acknowledged.

        While the first catching up is not over, what was acknowledged before it began counts beside the cursor.
        """
        reached = {name: cursor.positions.get(partition_of(name, self._partitions)) for name in names}
        asked = [name for name, position in reached.items() if position is None or cursor.begun]
        marks = self._store.watermarks(asked) if asked else {}
        before = cursor.begun - self._slack_ms
        starts = {}
        for name, position in reached.items():
            mine = [mark for mark in marks.get(name, ()) if mark.user_id == user]
            if position is None:
                starts[name] = _acknowledged(mine)
            else:
                starts[name] = max(position, _acknowledged(mark for mark in mine if _marked_at(mark) < before))
        return starts

    def _by_partition(self, names: list[str]) -> list[tuple[int, list[str]]]:
        grouped: dict[int, list[str]] = {}
        for name in names:
            grouped.setdefault(partition_of(name, self._partitions), []).append(name)
        return sorted(grouped.items())

    def _merged(self, starts: Mapping[str, int], up_to: int) -> Iterator[Message]:
        """The messages of these conversations with start < seq <= up_to, by seq over all of them.

        Pages of all are read at once; whenever one runs out, all that are half empty are read on.
        """
        size = max(10, self._most // len(starts)) if starts else 0
        open_ends = {name: _Reading(after) for name, after in starts.items()}
        while open_ends:
            low = [name for name, each in open_ends.items() if not each.is_whole and len(each.unread) <= size // 2]
            spans = [Span(name, open_ends[name].after, up_to + 1, size) for name in low]
            for name, page in zip(low, self._as_they_are_now(self._store.pages(spans), size), strict=True):
                open_ends[name].take(page, size)
            open_ends = {name: each for name, each in open_ends.items() if each.unread}
            # What is not read yet lies beyond the last message held of its conversation.
            safe = min((each.unread[-1].seq for each in open_ends.values() if not each.is_whole), default=up_to)
            ready = [message for each in open_ends.values() for message in each.give(safe)]
            yield from sorted(ready, key=_seq)
            open_ends = {name: each for name, each in open_ends.items() if each.unread or not each.is_whole}

    def _as_they_are_now(self, pages: Sequence[Sequence[Message]], size: int) -> Iterator[list[Message]]:
        """Without the words of what is deleted. A page with which a conversation ends has its deletions in itself."""
        longer = [message for page in pages if len(page) == size for message in page]
        known = modifications_of(self._store, longer) if longer else {}
        for page in pages:
            gone = {each.payload.target for each in page if isinstance(each.payload, Deletion)} - {""}
            yield [without_words(each) if _is_deleted(each, gone, known) else each for each in page]

    def changes(self, user: str, cursor: Cursor, names: Iterable[str] | None = None) -> Iterator[list[Event]]:
        """Chunks of what was learned since the cursor: memberships, positions, states, rejections. As it is now.

        A new reader is told the positions, and the states of the newest messages: at most `NEWEST` of each conversation,
        fewer for a reader of many. So is one whose cursor comes from a server that did not keep what was learned when.
        """
        asked = self._store.conversations_of(user) if names is None else sorted(names)
        if names is None and not cursor.caught:
            yield from self._newest(user, asked, cursor.at)
        oldest = now_ms() - KEPT_MS
        for chunk in _by(AT_ONCE, asked) if cursor.at else ():
            since = {name: self._since(cursor, name) for name in chunk}
            changes = self._store.changes({name: max(at, oldest) for name, at in since.items()})
            yield from _chunks(self._learned(user, changes))

    def _since(self, cursor: Cursor, name: str) -> int:
        return cursor.since(partition_of(name, self._partitions)) - self._slack_ms

    def _learned(self, user: str, changes: Sequence[Change]) -> Iterator[Event]:
        """What these changes are about, as it is now, where the user may know it."""
        readers = self._store.memberships(sorted({each.conversation_id for each in changes}), user)
        mine = [each for each in changes if each.conversation_id in readers and readers[each.conversation_id].has(user)]
        yield from self._memberships(user, readers, changes)
        moved = [each for each in mine if each.kind == "position" and readers[each.conversation_id].knows(each.subject)]
        yield from self._positions({(each.conversation_id, each.subject) for each in moved})
        keys = dict.fromkeys(each.subject for each in mine if each.kind == "state")
        for some in _by(AT_ONCE, [DeliveryKey.parse(key) for key in keys]):
            yield from self._states(user, readers, self._store.deliveries(some).values())
        for name, at, subject in {(each.conversation_id, each.at, each.subject) for each in changes if each.kind == "rejected"}:
            if subject.split(" ", 3)[-1] == user:
                yield _retold(rejection(name, subject, at, self._partitions))

    def _memberships(self, user: str, readers: Mapping[str, Membership], changes: Sequence[Change]) -> Iterator[Event]:
        """Members hear of every change, and who left hears of the change that they left by."""
        versions: dict[str, list[int]] = {}
        for each in changes:
            if each.kind == "conversation":
                versions.setdefault(each.conversation_id, []).append(int(each.subject))
        for name, changed in versions.items():
            there = readers.get(name)
            stays = [stay for stay in there.members if stay.user_id == user] if there else []
            if there and any(not stay.left or stay.left in changed for stay in stays):
                yield _retold(conversation_event(there, self._partitions))

    def _positions(self, members: set[tuple[str, str]]) -> Iterator[Event]:
        names = sorted({name for name, _ in members})
        marks = self._store.watermarks(names) if names else {}
        for mark in chain.from_iterable(marks.values()):
            if (mark.conversation_id, mark.user_id) in members:
                yield _retold(position_event(mark, _marked_at(mark), self._partitions))

    def _states(self, user: str, readers: Mapping[str, Membership], rows: Iterable[Delivery]) -> Iterator[Event]:
        seen = audible(self._store, as_one(self._store, [row for row in rows if row.conversation_id in readers]))
        begun_rows = [row for row in seen if state(row.facts) is not State.PENDING]
        said = self._store.messages(list({_place(row) for row in begun_rows}))
        for row in sorted(begun_rows, key=lambda row: row.key.seq):
            message = said.get(_place(row))
            if message and readers[row.conversation_id].may_read(user, message.members_version):
                yield _retold(state_event(row, _changed_at(row), self._partitions))

    def _newest(self, user: str, names: Sequence[str], since: int) -> Iterator[list[Event]]:
        limit = min(NEWEST, max(5, 20 * AT_ONCE // max(1, len(names))))
        for chunk in _by(max(1, self._most // limit), names):
            readers = {name: each for name, each in self._store.memberships(chunk, user).items() if each.has(user)}
            marks = chain.from_iterable(self._store.watermarks(list(readers)).values())
            known = (mark for mark in marks if readers[mark.conversation_id].knows(mark.user_id))
            recent_marks = (mark for mark in known if _marked_at(mark) >= since - self._slack_ms)
            yield from _chunks(_retold(position_event(mark, _marked_at(mark), self._partitions)) for mark in recent_marks)
            for messages in self._newest_messages(list(readers), limit):
                keys = [key for message in messages for key in self._keys(message)]
                for some in _by(AT_ONCE, keys):
                    rows = self._store.deliveries(some).values()
                    recent = [row for row in rows if _changed_at(row) >= since - self._slack_ms]
                    yield from _chunks(self._states(user, readers, recent))

    def _newest_messages(self, names: Sequence[str], limit: int) -> Iterator[list[Message]]:
        """The newest of each that readers see by themselves, at most so many, with what stands between them."""
        left, before = dict.fromkeys(names, limit), dict.fromkeys(names, 2**62)
        for _ in range(ROUNDS):
            spans = [Span(name, None, before[name], limit) for name, more in left.items() if more]
            pages = dict(zip((each.conversation_id for each in spans), self._store.pages(spans) if spans else (), strict=True))
            taken = {name: _last_shown(page, left[name]) for name, page in pages.items()}
            yield list(chain.from_iterable(taken.values()))
            for name, page in pages.items():
                shown = sum(not each.is_of_another for each in taken[name])
                left[name] = left[name] - shown if len(page) == limit else 0
                before[name] = page[0].seq if page else 0

    def _keys(self, message: Message) -> list[DeliveryKey]:
        partition = partition_of(message.conversation_id, self._partitions)
        firsts = [each for each in slots(message) if not each.part]
        return [delivery_key(message, each, partition) for each in firsts]

    def _message(self, message: Message) -> Event:
        return _retold(message_event(message, self._partitions))


class _Reading:
    """One conversation on the way through its past: what is held of it, and where to read on."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.unread: deque[Message] = deque()
        self.is_whole = False

    def take(self, page: Sequence[Message], size: int) -> None:
        self.unread.extend(page)
        self.is_whole = len(page) < size
        self.after = page[-1].seq if page else self.after

    def give(self, up_to: int) -> Iterator[Message]:
        while self.unread and self.unread[0].seq <= up_to:
            yield self.unread.popleft()


def reload_event(reason: str) -> Event:
    """Tells the reader to ask again for what they show."""
    at = now_ms()
    event = pb.Event(event_id=reload_event_id(reason, at), at_ms=at, reload=pb.ReloadEvent(reason=reason))
    return Event("reload", "", -1, event.SerializeToString(), at=at)


def must_reload(cursor: Cursor) -> str:
    """Why a reader with this cursor cannot be told all that changed; empty when they can."""
    if not cursor.at:
        return ""
    if not cursor.caught:
        return "old_cursor"
    return "away_too_long" if cursor.at < now_ms() - KEPT_MS else ""


def _is_deleted(message: Message, gone: set[str], known: Mapping[Place, Sequence[Modification]]) -> bool:
    """Whether this is one of what is gone (message ids), or is known as deleted; an edit, if its target is."""
    target = message.payload.target if isinstance(message.payload, Edit) else message.message_id
    modifications = known.get((message.conversation_id, message.seq), ())
    return target in gone or any(isinstance(each.content, Deletion) for each in modifications)


def _last_shown(page: list[Message], most: int) -> list[Message]:
    """The end of a page, with so many that readers see by themselves."""
    places = [place for place, each in enumerate(page) if not each.is_of_another]
    return page[places[-most] :] if len(places) > most else page


def _is_shown(message: Message, membership: Membership, user: str) -> bool:
    return not message.resend_of and not message.is_internal and membership.may_read(user, message.members_version)


def _place(row: Delivery) -> tuple[str, int]:
    """Where the message is that this delivers, or sends again."""
    return row.conversation_id, row.first_seq or row.key.seq


def _retold(event: Event) -> Event:
    # Reading an old message again is no step on its way.
    event.trace = ""
    return with_bare_ids(event)


def _seq(message: Message) -> int:
    return message.seq


def _by(size: int, things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _chunks(events: Iterator[Event]) -> Iterator[list[Event]]:
    """Events in lists that a reader takes as one message: clients refuse those of 4 MiB."""
    chunk: list[Event] = []
    octets = 0
    for event in events:
        chunk.append(event)
        octets += len(event.body)
        if len(chunk) == CHUNK or octets >= CHUNK_OCTETS:
            yield chunk
            chunk, octets = [], 0
    if chunk:
        yield chunk


def _acknowledged(marks: Iterable[Watermark]) -> int:
    """Up to which seq a user's clients have said they have all; 0 for nothing."""
    return max((max(mark.delivered_up_to, mark.read_up_to) for mark in marks), default=0)


def _marked_at(mark: Watermark) -> int:
    return max(mark.delivered_at, mark.read_at)


def _changed_at(row: Delivery) -> int:
    facts = row.facts
    return max(facts.sent_at, facts.refused_at, facts.failed_at, facts.delivered_at, facts.read_at)
