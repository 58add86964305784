"""What providers sent of messages without a type, in SQLite, compressed."""

import zlib
from collections.abc import Mapping

from chat4all.model.clock import now_ms
from chat4all.ports.raw_parts import RAW_MOST, RawParts
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Write

PUT = Write("INSERT INTO raw_parts VALUES {rows} ON CONFLICT DO NOTHING", 4)
GET = "SELECT body FROM raw_parts WHERE conversation_id = ? AND message_id = ?"


class SQLiteRawParts(RawParts):
    """The part of the store that keeps what providers sent."""

    _db: Connections

    def put_raw(self, parts: Mapping[tuple[str, str], bytes]) -> None:
        now = now_ms()
        self._db.put((PUT, [(*key, now, zlib.compress(body[:RAW_MOST])) for key, body in parts.items()]))

    def raw(self, conversation_id: str, message_id: str) -> bytes | None:
        with self._db.read() as db:
            row = db.execute(GET, (conversation_id, message_id)).fetchone()
        return zlib.decompress(row[0]) if row else None
