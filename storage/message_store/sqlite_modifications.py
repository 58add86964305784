"""What was said of messages later, in SQLite."""

from collections.abc import Sequence

import msgspec

from chat4all.model.modifiers import Modification, Place, merged
from chat4all.ports.modifications import Modifications
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, Write, as_json

PUT = Write(
    "INSERT INTO modifications VALUES {rows} ON CONFLICT DO UPDATE "
    "SET provider_at = excluded.provider_at, seq = excluded.seq, at = excluded.at, body = excluded.body "
    "WHERE (excluded.provider_at, excluded.seq) > (provider_at, seq)",
    8,
)
OF = Lookup("body", "CROSS JOIN modifications USING (conversation_id, target_seq)", "conversation_id", "target_seq")

_modification = msgspec.json.Decoder(Modification).decode


class SQLiteModifications(Modifications):
    """The part of the store that knows what was said of messages later."""

    _db: Connections

    def put_modifications(self, modifications: Sequence[Modification]) -> None:
        rows = [(*each.target, *each.slot, each.provider_at, each.seq, each.at, as_json(each)) for each in modifications]
        self._db.put((PUT, rows))

    def modifications(self, places: Sequence[Place]) -> dict[Place, list[Modification]]:
        asked = list(dict.fromkeys(places))
        if not asked:
            return {}
        with self._db.read() as db:
            found = OF(db, asked)
        kept: dict[Place, list[Modification]] = {}
        for place, (body,) in found:
            kept.setdefault(place, []).append(_modification(body))
        return {place: merged(each) for place, each in kept.items()}
