"""Uploads to providers, in Cassandra. Rows expire by themselves; the newest stays, for it is written at its own time."""

from collections.abc import Mapping, Sequence

from msgspec.structs import astuple

from chat4all.model.clock import now_ms
from chat4all.ports.uploads import Uploaded, UploadPlace, Uploads
from storage.message_store.cassandra_rows import Lookup
from storage.message_store.cassandra_session import Put, Session

FIND = Lookup("handle, at, until", "provider_uploads", "channel", "account", "object_key", "shown_as")
NOTE = (
    "INSERT INTO provider_uploads (channel, account, object_key, shown_as, handle, at, until) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "USING TTL ? AND TIMESTAMP ?"
)


class CassandraUploads(Uploads):
    """The uploads' part of the store."""

    _db: Session

    def uploads(self, places: Sequence[UploadPlace]) -> dict[UploadPlace, Uploaded]:
        found = FIND(self._db, [astuple(each) for each in places])
        return {UploadPlace(*key): Uploaded(*row) for key, row in found}

    def note_uploads(self, uploads: Mapping[UploadPlace, Uploaded]) -> None:
        now = now_ms()
        lives = {place: (what.until - now) // 1000 for place, what in uploads.items()}
        self._db.put(_put(place, uploads[place], life_s) for place, life_s in lives.items() if life_s > 0)


def _put(place: UploadPlace, what: Uploaded, ttl_s: int) -> Put:
    partition = ("provider_uploads", place.channel, place.account, place.object_key)
    return partition, NOTE, (*astuple(place), *astuple(what), ttl_s, what.at * 1000)
