"""Uploads to providers, in SQLite."""

from collections.abc import Mapping, Sequence

from msgspec.structs import astuple

from chat4all.ports.uploads import Uploaded, UploadPlace, Uploads
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, Write

KEY = ("channel", "account", "object_key", "shown_as")
FIND = Lookup("handle, at, until", f"CROSS JOIN provider_uploads USING ({', '.join(KEY)})", *KEY)
NOTE = Write(
    f"INSERT INTO provider_uploads VALUES {{rows}} ON CONFLICT ({', '.join(KEY)}) "  # noqa: S608
    "DO UPDATE SET handle = excluded.handle, at = excluded.at, until = excluded.until WHERE excluded.at > at",
    7,
)


class SQLiteUploads(Uploads):
    """The uploads' part of the store."""

    _db: Connections

    def uploads(self, places: Sequence[UploadPlace]) -> dict[UploadPlace, Uploaded]:
        with self._db.read() as db:
            return {UploadPlace(*key): Uploaded(*row) for key, row in FIND(db, [astuple(each) for each in places])}

    def note_uploads(self, uploads: Mapping[UploadPlace, Uploaded]) -> None:
        with self._db.write() as db:
            NOTE(db, [(*astuple(place), *astuple(what)) for place, what in uploads.items()])
