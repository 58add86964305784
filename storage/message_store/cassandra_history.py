"""Messages, the places of their ids, and how far members have come, in Cassandra."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec

from chat4all.model.conversations import Membership
from chat4all.model.deliveries import Watermark
from chat4all.model.messages import Message
from chat4all.model.retention import Retention
from chat4all.ports.changes import moved
from chat4all.ports.history import History, Registration, Span
from chat4all.ports.listing import SLOT_MS
from storage.message_store import cassandra_changes
from storage.message_store.cassandra_listing import CassandraListing
from storage.message_store.cassandra_rows import TOGETHER, TOP, Lookup, as_json
from storage.message_store.cassandra_session import Call, Put, Session
from storage.message_store.known import Known

# A bucket of messages: a million offsets of one partition, of which one conversation has a small part.
BUCKET_BITS = 20
DAY_S = 86_400
END = 2**62
# Few buckets first, then more: most pages need one, and a conversation that was quiet for long is read in few requests.
BUCKETS_AT_ONCE = (1, 2, 4, 8, 16, 32)

REGISTER = "INSERT INTO message_ids (message_id, conversation_id, seq, digest) VALUES (?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?"
PLACES = "SELECT conversation_id, seq, digest FROM message_ids WHERE message_id = ?"
REGISTERED = "SELECT message_id, conversation_id, seq, digest FROM message_ids WHERE message_id IN ? AND conversation_id IN ?"

PUT = "INSERT INTO messages (conversation_id, bucket, seq, body) VALUES (?, ?, ?, ?) USING TTL ?"
PUT_BUCKET = "INSERT INTO message_buckets (conversation_id, bucket) VALUES (?, ?) USING TTL ?"
MESSAGE = Lookup("body", "messages", "conversation_id", "bucket", "seq")
BUCKETS = "SELECT bucket FROM message_buckets WHERE conversation_id = ? AND bucket >= ? AND bucket <= ?"
RANGE = "SELECT body FROM messages WHERE conversation_id = ? AND bucket = ? AND seq > ? AND seq < ? ORDER BY seq"
FIRST, LAST = f"{RANGE} LIMIT ?", f"{RANGE} DESC LIMIT ?"
LAST_BUCKET = "SELECT bucket FROM message_buckets WHERE conversation_id = ? LIMIT 1"
LAST_SEQ = "SELECT seq FROM messages WHERE conversation_id = ? AND bucket = ? ORDER BY seq DESC LIMIT 1"

DELIVERED = (
    "UPDATE watermarks USING TIMESTAMP ? SET delivered_up_to = ?, delivered_since = ? WHERE conversation_id = ? AND user_id = ?"
)
READ = "UPDATE watermarks USING TIMESTAMP ? SET read_up_to = ?, read_since = ? WHERE conversation_id = ? AND user_id = ?"
WATERMARKS = Lookup("user_id, delivered_up_to, delivered_since, read_up_to, read_since", "watermarks", "conversation_id")
READ_UP_TO = Lookup("read_up_to", "watermarks", "conversation_id", "user_id")

_message = msgspec.json.Decoder(Message).decode


class CassandraHistory(History, CassandraListing):
    """The history's part of the store."""

    _db: Session
    _message_buckets: Known
    _active: Known

    @abstractmethod
    def memberships(self, conversation_ids: Sequence[str], of: str = "") -> dict[str, Membership]:
        """As the directory says it."""

    _kept: Retention

    def register(self, registrations: Sequence[Registration]) -> None:
        ttl_s = self._kept.ids * DAY_S
        self._db.put(
            (
                ("message_ids", each.message_id),
                REGISTER,
                (each.message_id, each.conversation_id, each.seq, each.digest, TOP - each.seq, ttl_s),
            )
            for each in registrations
        )

    def registered(self, ids: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Registration]:
        asked = list(dict.fromkeys(ids))
        calls: list[Call] = []
        for start in range(0, len(asked), TOGETHER):
            chunk = asked[start : start + TOGETHER]
            calls.append((REGISTERED, (_column(chunk, 1), _column(chunk, 0))))
        found = {
            (conversation_id, message_id): Registration(conversation_id, message_id, seq, digest)
            for rows in self._db.all(calls)
            for message_id, conversation_id, seq, digest in rows
        }
        return {key: found[key] for key in asked if key in found}

    def places_of(self, message_id: str) -> list[Registration]:
        rows = self._db.rows(PLACES, message_id)
        return [Registration(conversation_id, message_id, seq, digest) for conversation_id, seq, digest in rows]

    def put_messages(self, messages: Sequence[Message]) -> None:
        ttl_s = self._kept.messages * DAY_S
        buckets = self._message_buckets.missing((each.conversation_id, each.seq >> BUCKET_BITS) for each in messages)
        if buckets:
            # For longer than the messages, which may be written for as long as we remember that the bucket was.
            self._db.put((("message_buckets", key[0]), PUT_BUCKET, (*key, ttl_s and ttl_s + DAY_S)) for key in buckets)
            self._message_buckets.add(buckets)
        # A reader asks for what follows the newest that it has seen: it must not see one before those that come before it.
        series: dict[str, list[Message]] = {}
        for each in sorted(messages, key=lambda each: each.seq):
            series.setdefault(each.conversation_id, []).append(each)
        self._db.put_in_order([_put(each, ttl_s) for each in talk] for talk in series.values())
        self._note_active(messages)

    def _note_active(self, messages: Sequence[Message]) -> None:
        """Readers find these conversations by what was said last."""
        slots = self._active.missing((each.conversation_id, each.accepted_at // SLOT_MS) for each in messages)
        if slots:
            readers = self.memberships(list({name for name, _ in slots}))
            self.be_active({(name, slot): readers[name].now() for name, slot in slots if name in readers})
            self._active.add(slots)

    def messages(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Message]:
        found = MESSAGE(self._db, [(conversation_id, seq >> BUCKET_BITS, seq) for conversation_id, seq in places])
        kept = {(conversation_id, seq): _message(body) for (conversation_id, _, seq), (body,) in found}
        return {place: kept[place] for place in dict.fromkeys(places) if place in kept}

    def page(self, conversation_id: str, after: int | None, before: int | None, limit: int) -> list[Message]:
        low, high = -1 if after is None else after, END if before is None else before
        buckets = self._buckets(conversation_id, low, high)
        if after is not None:
            buckets.reverse()
        found: list[Any] = []
        for chunk in _growing(buckets):
            cql = LAST if after is None else FIRST
            for rows in self._db.all([(cql, (conversation_id, bucket, low, high, limit)) for bucket in chunk]):
                found += rows
            if len(found) >= limit:
                break
        page = [_message(body) for (body,) in found[:limit]]
        return page[::-1] if after is None else page

    def pages(self, spans: Sequence[Span]) -> list[list[Message]]:
        """All of them side by side, a bucket at a time."""
        found: list[list[Any]] = [[] for _ in spans]
        left = self._buckets_of(spans)
        while waiting := [place for place, buckets in enumerate(left) if buckets and len(found[place]) < spans[place].limit]:
            calls = [_in_bucket(spans[place], left[place].pop(0), len(found[place])) for place in waiting]
            for place, rows in zip(waiting, self._db.all(calls), strict=True):
                found[place] += rows
        pages = [[_message(body) for (body,) in rows] for rows in found]
        return [page[::-1] if each.after is None else page for each, page in zip(spans, pages, strict=True)]

    def _buckets_of(self, spans: Sequence[Span]) -> list[list[int]]:
        """The buckets that each of these lies in, in the order in which to ask."""
        bounds = [
            (0 if each.after is None else (each.after + 1) >> BUCKET_BITS, (each.before - 1) >> BUCKET_BITS) for each in spans
        ]
        several = [place for place, (first, last) in enumerate(bounds) if first < last]
        listed = self._db.all([(BUCKETS, (spans[place].conversation_id, *bounds[place])) for place in several])
        left = [[first] for first, _ in bounds]
        for place, rows in zip(several, listed, strict=True):
            newest_first = [bucket for (bucket,) in rows]
            left[place] = newest_first if spans[place].after is None else newest_first[::-1]
        return left

    def _buckets(self, conversation_id: str, low: int, high: int) -> list[int]:
        """The buckets with messages in (low, high), newest first."""
        first, last = (low + 1) >> BUCKET_BITS, (high - 1) >> BUCKET_BITS
        if first >= last:
            return [first]
        return [bucket for (bucket,) in self._db.rows(BUCKETS, conversation_id, first, last)]

    def last_seqs(self, conversation_ids: Sequence[str]) -> dict[str, int]:
        asked = list(dict.fromkeys(conversation_ids))
        newest = self._db.all([(LAST_BUCKET, (each,)) for each in asked])
        known = [(each, rows[0][0]) for each, rows in zip(asked, newest, strict=True) if rows]
        last: dict[str, int] = {}
        for (each, _), rows in zip(known, self._db.all([(LAST_SEQ, key) for key in known]), strict=True):
            # A bucket is noted before its first message: the newest may have none yet.
            seqs = [seq for (seq,) in rows] or [message.seq for message in self.page(each, None, None, 1)]
            if seqs:
                last[each] = seqs[0]
        return last

    def raise_watermarks(self, watermarks: Sequence[Watermark]) -> None:
        noted = cassandra_changes.puts(moved(watermarks))
        self._db.put([*(put for each in watermarks for put in _raised(each)), *noted])

    def watermarks(self, conversation_ids: Sequence[str]) -> dict[str, list[Watermark]]:
        kept: dict[str, list[Watermark]] = {conversation_id: [] for conversation_id in conversation_ids}
        for (conversation_id,), row in WATERMARKS(self._db, [(each,) for each in kept]):
            user_id, delivered, delivered_since, read, read_since = row
            mark = Watermark(conversation_id, user_id, delivered or 0, _at(delivered_since), read or 0, _at(read_since))
            kept[conversation_id].append(mark)
        return kept

    def read_up_to(self, user_id: str, conversation_ids: Sequence[str]) -> dict[str, int]:
        rows = READ_UP_TO(self._db, [(conversation_id, user_id) for conversation_id in conversation_ids])
        return {conversation_id: seq for (conversation_id, _), (seq,) in rows if seq}


def _in_bucket(span: Span, bucket: int, had: int) -> Call:
    low = -1 if span.after is None else span.after
    return LAST if span.after is None else FIRST, (span.conversation_id, bucket, low, span.before, span.limit - had)


def _column(keys: Sequence[tuple[str, str]], place: int) -> list[str]:
    return list(dict.fromkeys(each[place] for each in keys))


def _put(message: Message, ttl_s: int) -> Put:
    key = (message.conversation_id, message.seq >> BUCKET_BITS)
    return ("messages", *key), PUT, (*key, message.seq, as_json(message), ttl_s)


def _growing(buckets: list[int]) -> list[list[int]]:
    """Few at first, then more at once: most pages lie in one bucket, those of quiet conversations in many."""
    chunks: list[list[int]] = []
    start = 0
    while start < len(buckets):
        size = BUCKETS_AT_ONCE[min(len(chunks), len(BUCKETS_AT_ONCE) - 1)]
        chunks.append(buckets[start : start + size])
        start += size
    return chunks


def _raised(mark: Watermark) -> list[Put]:
    key = (mark.conversation_id, mark.user_id)
    partition = ("watermarks", mark.conversation_id)
    delivered = (mark.delivered_up_to + 1, mark.delivered_up_to, _since(mark.delivered_at))
    read = (mark.read_up_to + 1, mark.read_up_to, _since(mark.read_at))
    puts: list[Put] = [(partition, DELIVERED, (*delivered, *key))]
    return [*puts, (partition, READ, (*read, *key))] if mark.read_up_to else puts


def _since(at: int) -> int:
    return TOP - at if at else 0


def _at(since: int | None) -> int:
    return TOP - since if since else 0
