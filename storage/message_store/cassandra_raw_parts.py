"""What providers sent of messages without a type, in Cassandra, compressed. Rows expire by themselves."""

import zlib
from collections.abc import Mapping

from chat4all.model.retention import Retention
from chat4all.ports.raw_parts import RAW_MOST, RawParts
from storage.message_store.cassandra_session import Session

DAY_S = 86_400
PUT = "INSERT INTO raw_parts (conversation_id, message_id, body) VALUES (?, ?, ?) USING TTL ?"
GET = "SELECT body FROM raw_parts WHERE conversation_id = ? AND message_id = ?"


class CassandraRawParts(RawParts):
    """The part of the store that keeps what providers sent."""

    _db: Session
    _kept: Retention

    def put_raw(self, parts: Mapping[tuple[str, str], bytes]) -> None:
        ttl_s = self._kept.messages * DAY_S
        self._db.put((("raw_parts", *key), PUT, (*key, zlib.compress(body[:RAW_MOST]), ttl_s)) for key, body in parts.items())

    def raw(self, conversation_id: str, message_id: str) -> bytes | None:
        return next((zlib.decompress(body) for (body,) in self._db.rows(GET, conversation_id, message_id)), None)
