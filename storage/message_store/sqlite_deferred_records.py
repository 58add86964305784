"""Records that are to be appended later, in SQLite."""

import sqlite3
from collections.abc import Sequence

import msgspec

from chat4all.model.deferred_records import DeferredRecord
from chat4all.ports.deferred_records import DeferredRecords
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, as_json, fetched

ADD = "INSERT INTO deferred_records VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
REPLACE = """
UPDATE deferred_records SET kind = ?, owner = ?, due_at = ?, is_open = ?, version = ?, changed_at = ?, body = ?
WHERE record_id = ? AND version = ?
"""
SOME = Lookup("body", "JOIN deferred_records USING (record_id)", "record_id")
# The conditions are those of the indexes.
DUE = "SELECT body FROM deferred_records WHERE is_open = 1 AND kind = ? AND due_at <= ? ORDER BY due_at, record_id LIMIT ?"
OPEN = """
SELECT body FROM deferred_records WHERE is_open = 1 AND kind = ? AND (due_at, record_id) > (?, ?)
ORDER BY due_at, record_id LIMIT ?
"""
THEIRS = """
SELECT body FROM deferred_records WHERE is_open = 1 AND owner = ? AND (due_at, record_id) > (?, ?) AND kind = ?
ORDER BY due_at, record_id LIMIT ?
"""
COUNT = "SELECT count(*) FROM deferred_records WHERE is_open = 1 AND kind = ?"
COUNT_THEIRS = "SELECT count(*) FROM deferred_records WHERE is_open = 1 AND owner = ? AND kind = ?"

FIRST = (-1, "")

_record = msgspec.json.Decoder(DeferredRecord).decode


class SQLiteDeferredRecords(DeferredRecords):
    """The part of the store that keeps what is to be appended later."""

    _db: Connections

    def put_deferred_records(self, records: Sequence[DeferredRecord]) -> list[bool]:
        if not records:
            return []
        with self._db.write() as db:
            return [_put(db, each) for each in records]

    def deferred_records(self, record_ids: Sequence[str]) -> dict[str, DeferredRecord]:
        with self._db.read() as db:
            return {name: _record(body) for (name,), (body,) in SOME(db, [(each,) for each in record_ids])}

    def due_records(self, kind: str, now_ms: int, limit: int) -> list[DeferredRecord]:
        with self._db.read() as db:
            return [_record(body) for (body,) in fetched(db, "body", DUE, (kind, now_ms, limit))]

    def open_records(self, kind: str, limit: int, after: tuple[int, str] = (-1, ""), owner: str = "") -> list[DeferredRecord]:
        with self._db.read() as db:
            if owner:
                return [_record(body) for (body,) in fetched(db, "body", THEIRS, (owner, *after, kind, limit))]
            return [_record(body) for (body,) in fetched(db, "body", OPEN, (kind, *after, limit))]

    def open_records_of(self, kind: str, owners: Sequence[str], limit: int) -> dict[str, list[DeferredRecord]]:
        with self._db.read() as db:
            found = {each: fetched(db, "body", THEIRS, (each, *FIRST, kind, limit)) for each in dict.fromkeys(owners)}
        return {owner: [_record(body) for (body,) in rows] for owner, rows in found.items() if rows}

    def count_open_records(self, kind: str, owner: str = "") -> int:
        with self._db.read() as db:
            found = db.execute(COUNT_THEIRS, (owner, kind)) if owner else db.execute(COUNT, (kind,))
            return int(found.fetchone()[0])


def _put(db: sqlite3.Connection, each: DeferredRecord) -> bool:
    row = (each.kind, each.owner, each.due_at, each.is_open, each.version, each.changed_at, as_json(each))
    if each.version == 1:
        return db.execute(ADD, (each.record_id, *row)).rowcount == 1
    return db.execute(REPLACE, (*row, each.record_id, each.version - 1)).rowcount == 1
