"""Rows of files, and which messages refer to which object, in Cassandra: by compare-and-set."""

import time
from collections.abc import Mapping, Sequence
from uuid import uuid4

import msgspec

from chat4all.model.clock import day_of
from chat4all.model.failures import Temporary
from chat4all.model.files import StoredFile
from chat4all.ports.files import LAST_CHARACTER, Files
from storage.message_store.cassandra_rows import ROUNDS, Register, as_json
from storage.message_store.cassandra_session import Call, Put, Session

FILES = Register("files", "file_id")
# After its day a listing is looked at for a month (tasks/files/file_tasks.py).
LISTED_S = 40 * 86_400
OF_DAY = "INSERT INTO files_of_day (day, due_at, file_id) VALUES (?, ?, ?) USING TTL ?"
DUE = "SELECT due_at, file_id FROM files_of_day WHERE day = ? AND (due_at, file_id) > (?, ?) AND (due_at) <= (?) LIMIT ?"

# The static columns alone, which are read at once however many holders there are; the first holder; one; some of them.
OBJECT = "SELECT DISTINCT checksum, object_key, change FROM objects WHERE checksum = ?"
ANY_HOLDER = "SELECT holder FROM objects WHERE checksum = ? LIMIT 1"
HOLDER = "SELECT at FROM objects WHERE checksum = ? AND holder = ?"
HOLDERS = "SELECT holder, at FROM objects WHERE checksum = ? AND holder > ? AND holder < ? LIMIT ?"
KEEP = "UPDATE objects SET object_key = ?, change = ? WHERE checksum = ? IF object_key = ?"
RETIRE = "UPDATE objects SET object_key = null WHERE checksum = ? IF object_key = ? AND change = ?"
HOLD = "INSERT INTO objects (checksum, holder, at) VALUES (?, ?, ?)"
DROP = "DELETE FROM objects WHERE checksum = ? AND holder = ? IF EXISTS"

_file = msgspec.json.Decoder(StoredFile).decode


class CassandraFiles(Files):
    """The files' part of the store."""

    _db: Session

    def add_files(self, files: Sequence[StoredFile]) -> list[StoredFile]:
        first = {(each.file_id,): as_json(each) for each in reversed(files)}
        self._db.put(put for each in files for put in _listed(each))
        kept = FILES.settle(self._db, first, lambda key, there: there or first[key])
        return [_file(kept[each.file_id,][0] or "") for each in files]

    def files(self, file_ids: Sequence[str]) -> dict[str, StoredFile]:
        kept = FILES.read(self._db, [(each,) for each in file_ids])
        return {file_id: _file(body) for (file_id,), body in kept.items()}

    def swap_file(self, wanted: StoredFile) -> bool:
        def swapped(_key: tuple[str, ...], there: str | None) -> str | None:
            return as_json(wanted) if there and _file(there).version == wanted.version - 1 else there

        # Listed first: a row that is due and not listed would never be looked at.
        self._db.put(_listed(wanted))
        return FILES.settle(self._db, [(wanted.file_id,)], swapped)[wanted.file_id,][1]

    def forget_file(self, file: StoredFile) -> None:
        def forgotten(_key: tuple[str, ...], there: str | None) -> str | None:
            return None if there and _file(there).version == file.version else there

        FILES.settle(self._db, [(file.file_id,)], forgotten)

    def due_files(self, day: str, up_to_ms: int, after: tuple[int, str], limit: int) -> list[tuple[int, str]]:
        return [(due_at, file_id) for due_at, file_id in self._db.rows(DUE, day, *after, up_to_ms, limit)]

    def keep_object(self, checksum: str, object_key: str, holder: str, at: int) -> str:
        for _ in range(ROUNDS):
            there, _ = self._object(checksum)
            key = there or object_key
            if self._holds(checksum, there, holder) or self._hold(checksum, there, key, holder, at):
                return key
        raise Temporary("store", "others kept changing the same")

    def hold_objects(self, wanted: Sequence[tuple[str, str]], at: int) -> list[bool]:
        return [self._hold_one(checksum, holder, at) for checksum, holder in wanted]

    def _hold_one(self, checksum: str, holder: str, at: int) -> bool:
        for _ in range(ROUNDS):
            there, _ = self._object(checksum)
            if there is None:
                return False
            if self._holds(checksum, there, holder) or self._hold(checksum, there, there, holder, at):
                return True
        raise Temporary("store", "others kept changing the same")

    def _hold(self, checksum: str, there: str | None, object_key: str, holder: str, at: int) -> bool:
        """Add a holder if the bytes are still where they were; what changes with it lets no retirement slip in between."""
        calls: list[Call] = [
            (KEEP, (object_key, uuid4().hex, checksum, there)),
            (HOLD, (checksum, holder, at)),
        ]
        return self._db.decide_together(calls)

    def _holds(self, checksum: str, there: str | None, holder: str) -> bool:
        """Whether it is one of them already: then the object cannot have retired, and its first time stays."""
        return there is not None and bool(self._db.rows(HOLDER, checksum, holder))

    def holders(self, checksum: str, prefix: str, limit: int, after: str = "") -> Mapping[str, int]:
        return dict(self._db.rows(HOLDERS, checksum, max(prefix, after), prefix + LAST_CHARACTER, limit))

    def drop_holders(self, checksum: str, holders: Sequence[str]) -> None:
        self._db.decide([(DROP, (checksum, each)) for each in holders])

    def retire_object(self, checksum: str, object_key: str) -> bool:
        for _ in range(ROUNDS):
            there, change = self._object(checksum)
            if there != object_key:
                return True
            if any(holder is not None for (holder,) in self._db.serial(ANY_HOLDER, checksum)):
                return False
            if self._db.decide([(RETIRE, (checksum, object_key, change))])[0][0]:
                return True
        raise Temporary("store", "others kept changing the same")

    def _object(self, checksum: str) -> tuple[str | None, str | None]:
        """Where the bytes are, and the last change. Changes under way are finished first."""
        rows = self._db.serial(OBJECT, checksum)
        return (rows[0][1], rows[0][2]) if rows else (None, None)


def _listed(file: StoredFile) -> list[Put]:
    if not file.due_at:
        return []
    day = day_of(file.due_at)
    ttl_s = max(0, file.due_at // 1000 - int(time.time())) + LISTED_S
    return [(("files_of_day", day), OF_DAY, (day, file.due_at, file.file_id, ttl_s))]
