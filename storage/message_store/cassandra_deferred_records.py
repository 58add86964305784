"""Records that are to be appended later, in Cassandra: each by its id, changed by compare-and-set only.

Which of them are due is found by the minute, and whose they are by the owner. These lists are written before the record, and
may name one too many, never one too few: what a record itself says counts.
"""

from collections.abc import Iterator, Sequence

import msgspec

from chat4all.model.clock import DAY_MS
from chat4all.model.deferred_records import DeferredRecord
from chat4all.ports.deferred_records import ENDED_DAYS, DeferredRecords
from storage.message_store.cassandra_rows import Lookup, as_json
from storage.message_store.cassandra_session import Put, Session

MINUTE_MS = 60_000
# By so much clocks of processes may differ, and a write may be late.
OVER = 10
MINUTES_AT_ONCE = 50

SWAP = "UPDATE deferred_records USING TTL ? SET version = ?, body = ? WHERE record_id = ? IF version = ?"
SOME = Lookup("body", "deferred_records", "record_id")
NAME = "INSERT INTO deferred_record_minutes (kind, minute) VALUES (?, ?)"
UNNAME = "DELETE FROM deferred_record_minutes WHERE kind = ? AND minute = ?"
MINUTES = "SELECT minute FROM deferred_record_minutes WHERE kind = ? AND minute >= ? LIMIT ?"
LIST = "INSERT INTO deferred_record_times (kind, minute, due_at, record_id) VALUES (?, ?, ?, ?)"
UNLIST = "DELETE FROM deferred_record_times WHERE kind = ? AND minute = ? AND due_at = ? AND record_id = ?"
IN_MINUTE = """
SELECT due_at, record_id FROM deferred_record_times WHERE kind = ? AND minute = ? AND (due_at, record_id) > (?, ?) LIMIT ?
"""
OWN = "INSERT INTO deferred_records_by_owner (owner, kind, due_at, record_id) VALUES (?, ?, ?, ?)"
DISOWN = "DELETE FROM deferred_records_by_owner WHERE owner = ? AND kind = ? AND due_at = ? AND record_id = ?"
THEIRS = """
SELECT due_at, record_id FROM deferred_records_by_owner
WHERE owner = ? AND kind = ? AND (due_at, record_id) > (?, ?) LIMIT ?
"""
COUNT = "SELECT count(*) FROM deferred_record_times WHERE kind = ? AND minute = ?"
COUNT_THEIRS = "SELECT count(*) FROM deferred_records_by_owner WHERE owner = ? AND kind = ?"

_record = msgspec.json.Decoder(DeferredRecord).decode
Place = tuple[int, str]
FIRST: Place = (-1, "")


class CassandraDeferredRecords(DeferredRecords):
    """The part of the store that keeps what is to be appended later."""

    _db: Session

    def put_deferred_records(self, records: Sequence[DeferredRecord]) -> list[bool]:
        if not records:
            return []
        opens = [each for each in records if each.is_open]
        self._db.put(dict.fromkeys(_minute_named(each) for each in opens))
        self._db.put(put for each in opens for put in _listed(each))
        swaps = [
            (SWAP, (_ttl(each), each.version, as_json(each), each.record_id, each.version - 1 or None)) for each in records
        ]
        kept = [bool(row[0]) for row in self._db.decide(swaps)]
        self._db.put(put for each, is_kept in zip(records, kept, strict=True) if is_kept and not each.is_open
                     for put in _unlisted(each.kind, each.place, each.owner))  # fmt: skip
        return kept

    def deferred_records(self, record_ids: Sequence[str]) -> dict[str, DeferredRecord]:
        found = SOME(self._db, [(each,) for each in record_ids]) if record_ids else []
        return {name: _record(body) for (name,), (body,) in found if body}

    def due_records(self, kind: str, now_ms: int, limit: int) -> list[DeferredRecord]:
        found: list[DeferredRecord] = []
        for minute in self._minutes_from(kind, 0, now_ms // MINUTE_MS):
            found += self._of_minute(kind, minute, (-1, ""), now_ms, limit - len(found), now_ms - OVER * MINUTE_MS)
            if len(found) == limit:
                break
            if minute < now_ms // MINUTE_MS - OVER and not self._db.rows(IN_MINUTE, kind, minute, -1, "", 1):
                self._db.put([(("deferred_record_minutes", kind), UNNAME, (kind, minute))])
        return found

    def open_records(self, kind: str, limit: int, after: Place = (-1, ""), owner: str = "") -> list[DeferredRecord]:
        if owner:
            return self._theirs(kind, limit, after, owner)
        found: list[DeferredRecord] = []
        for minute in self._minutes_from(kind, max(0, after[0]) // MINUTE_MS, 2**62):
            found += self._of_minute(kind, minute, after, 2**62, limit - len(found))
            if len(found) == limit:
                break
        return found

    def open_records_of(self, kind: str, owners: Sequence[str], limit: int) -> dict[str, list[DeferredRecord]]:
        asked = list(dict.fromkeys(owners))
        named = self._db.all((THEIRS, (each, kind, *FIRST, limit)) for each in asked) if asked else []
        records = self.deferred_records(list(dict.fromkeys(record_id for rows in named for _, record_id in rows)))
        found: dict[str, list[DeferredRecord]] = {}
        for owner, rows in zip(asked, named, strict=True):
            theirs = [each for place in rows if (each := records.get(place[1])) and each.is_open and each.place == tuple(place)]
            # A full page may name some that are over, in the place of others that are not.
            if len(rows) == limit and len(theirs) < limit:
                theirs = self._theirs(kind, limit, FIRST, owner)
            if theirs:
                found[owner] = theirs
        return found

    def count_open_records(self, kind: str, owner: str = "") -> int:
        if owner:
            return int(self._db.rows(COUNT_THEIRS, owner, kind)[0][0])
        minutes = list(self._minutes_from(kind, 0, 2**62))
        counts = self._db.all((COUNT, (kind, minute)) for minute in minutes) if minutes else []
        return sum(int(rows[0][0]) for rows in counts)

    def _minutes_from(self, kind: str, first: int, last: int) -> Iterator[int]:
        """The minutes up to `last` that have records, or had some."""
        while page := self._db.rows(MINUTES, kind, first, MINUTES_AT_ONCE):
            for (minute,) in page:
                if minute > last:
                    return
                yield minute
            if len(page) < MINUTES_AT_ONCE:
                return
            first = page[-1][0] + 1

    def _of_minute(
        self, kind: str, minute: int, after: Place, up_to: int, limit: int, settled: int = 0
    ) -> list[DeferredRecord]:
        """Open records of a minute, behind a place. Off comes what is over, and what names none and is older than `settled`:
        nobody is about to write that.
        """
        found: list[DeferredRecord] = []
        while len(found) < limit:
            rows = self._db.rows(IN_MINUTE, kind, minute, *after, limit)
            places = [(due_at, record_id) for due_at, record_id in rows if due_at <= up_to]
            records = self.deferred_records([record_id for _, record_id in places])
            found += [each for place in places if (each := records.get(place[1])) and each.is_open and each.place == place]
            self._db.put(put for place in places for put in _outdated(kind, place, records.get(place[1]), settled))
            if len(places) < limit:
                break
            after = places[-1]
        return found[:limit]

    def _theirs(self, kind: str, limit: int, after: Place, owner: str) -> list[DeferredRecord]:
        found: list[DeferredRecord] = []
        while len(found) < limit:
            rows = self._db.rows(THEIRS, owner, kind, *after, limit)
            records = self.deferred_records([record_id for _, record_id in rows])
            found += [each for place in rows if (each := records.get(place[1])) and each.is_open and each.place == tuple(place)]
            if len(rows) < limit:
                break
            after = rows[-1][0], rows[-1][1]
        return found[:limit]


def _minute_named(each: DeferredRecord) -> Put:
    return ("deferred_record_minutes", each.kind), NAME, (each.kind, each.due_at // MINUTE_MS)


def _listed(each: DeferredRecord) -> Iterator[Put]:
    minute = each.due_at // MINUTE_MS
    yield ("deferred_record_times", each.kind, minute), LIST, (each.kind, minute, *each.place)
    if each.owner:
        yield ("deferred_records_by_owner", each.owner), OWN, (each.owner, each.kind, *each.place)


def _unlisted(kind: str, place: Place, owner: str) -> Iterator[Put]:
    minute = place[0] // MINUTE_MS
    yield ("deferred_record_times", kind, minute), UNLIST, (kind, minute, *place)
    if owner:
        yield ("deferred_records_by_owner", owner), DISOWN, (owner, kind, *place)


def _outdated(kind: str, place: Place, record: DeferredRecord | None, settled: int) -> Iterator[Put]:
    stands_there = record is not None and record.place == place
    if (record and not record.is_open) or (not stands_there and place[0] < settled):
        yield from _unlisted(kind, place, record.owner if record else "")


def _ttl(each: DeferredRecord) -> int:
    """Seconds that it is kept: an open one for ever."""
    return 0 if each.is_open else ENDED_DAYS * DAY_MS // 1000
