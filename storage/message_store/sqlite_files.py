"""Rows of files, and which messages refer to which object, in SQLite."""

from collections.abc import Mapping, Sequence

import msgspec

from chat4all.model.clock import DAY_MS, from_rfc3339
from chat4all.model.files import StoredFile
from chat4all.ports.files import LAST_CHARACTER, Files
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, Write, as_json, fetched

ADD = Write("INSERT INTO files VALUES {rows} ON CONFLICT DO NOTHING", 4)
FILE = Lookup("body", "CROSS JOIN files USING (file_id)", "file_id")
SWAP = "UPDATE files SET version = ?, due_at = ?, body = ? WHERE file_id = ? AND version = ?"
FORGET = "DELETE FROM files WHERE file_id = ? AND version = ?"
DUE = """
SELECT due_at, file_id FROM files INDEXED BY files_due
WHERE due_at > 0 AND due_at >= ? AND due_at <= ? AND (due_at, file_id) > (?, ?) ORDER BY due_at, file_id LIMIT ?
"""

KEEP = "INSERT INTO objects VALUES (?, ?) ON CONFLICT DO NOTHING"
KEPT = "SELECT object_key FROM objects WHERE checksum = ?"
HOLD = Write("INSERT INTO object_holders VALUES {rows} ON CONFLICT DO NOTHING", 3)
THERE = Lookup("object_key", "CROSS JOIN objects USING (checksum)", "checksum")
HOLDERS = "SELECT holder, at FROM object_holders WHERE checksum = ? AND holder > ? AND holder < ? ORDER BY holder LIMIT ?"
DROP = "DELETE FROM object_holders WHERE checksum = ? AND holder = ?"
RETIRE = """
DELETE FROM objects WHERE checksum = ? AND object_key = ? AND NOT EXISTS (SELECT 1 FROM object_holders WHERE checksum = ?)
"""

_file = msgspec.json.Decoder(StoredFile).decode


class SQLiteFiles(Files):
    """The files' part of the store."""

    _db: Connections

    def add_files(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        with self._db.write() as db:
            ADD(db, [(each.file_id, each.version, each.due_at, as_json(each)) for each in files])
            return [_file(body) for _, (body,) in FILE(db, [(each.file_id,) for each in files])]

    def files(self, file_ids: Sequence[str]) -> dict[str, StoredFile]:
        with self._db.read() as db:
            return {file_id: _file(body) for (file_id,), (body,) in FILE(db, [(each,) for each in file_ids])}

    def swap_file(self, wanted: StoredFile) -> bool:
        row = (wanted.version, wanted.due_at, as_json(wanted), wanted.file_id, wanted.version - 1)
        with self._db.write() as db:
            return db.execute(SWAP, row).rowcount == 1

    def forget_file(self, file: StoredFile) -> None:
        with self._db.write() as db:
            db.execute(FORGET, (file.file_id, file.version))

    def due_files(self, day: str, up_to_ms: int, after: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        first = from_rfc3339(day, zone_needed=False)
        last = min(up_to_ms, first + DAY_MS - 1)
        with self._db.read() as db:
            rows = fetched(db, "due_at, file_id", DUE, (first, last, *after, limit))
        return [(due_at, file_id) for due_at, file_id in rows]

    def keep_object(self, checksum: str, object_key: str, holder: str, at: int) -> str:
        with self._db.write() as db:
            db.execute(KEEP, (checksum, object_key))
            HOLD(db, [(checksum, holder, at)])
            return str(db.execute(KEPT, (checksum,)).fetchone()[0])

    def hold_objects(self, wanted: Sequence[tuple[str, str]], at: int) -> list[bool]:
        with self._db.write() as db:
            there = {checksum for (checksum,), _ in THERE(db, [(each,) for each, _ in wanted])}
            HOLD(db, [(checksum, holder, at) for checksum, holder in wanted if checksum in there])
        return [checksum in there for checksum, _ in wanted]

    def holders(self, checksum: str, prefix: str, limit: int, after: str = "") -> Mapping[str, int]:
        with self._db.read() as db:
            return dict(fetched(db, "holder, at", HOLDERS, (checksum, max(prefix, after), prefix + LAST_CHARACTER, limit)))

    def drop_holders(self, checksum: str, holders: Sequence[str]) -> None:
        with self._db.write() as db:
            db.executemany(DROP, [(checksum, each) for each in holders])

    def retire_object(self, checksum: str, object_key: str) -> bool:
        with self._db.write() as db:
            if db.execute(RETIRE, (checksum, object_key, checksum)).rowcount:
                return True
            kept = db.execute(KEPT, (checksum,)).fetchone()
            return kept is None or kept[0] != object_key
