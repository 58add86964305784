"""Updates that wait for something to be known, in SQLite."""

from collections.abc import Sequence

import msgspec

from chat4all.ports.deferred import Deferrals, Deferred
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Write, as_json

PUT = Write("INSERT INTO deferred VALUES {rows} ON CONFLICT DO NOTHING", 5)
DUE = "SELECT body FROM deferred WHERE look_at <= ? ORDER BY look_at LIMIT ?"
FORGET = "DELETE FROM deferred WHERE (look_at, channel, account, provider_id) = (?, ?, ?, ?)"

_deferred = msgspec.json.Decoder(Deferred).decode


class SQLiteDeferrals(Deferrals):
    """The part of the store that keeps what waits."""

    _db: Connections

    def defer(self, updates: Sequence[Deferred]) -> None:
        self._db.put((PUT, [(*each.key, as_json(each)) for each in updates]))

    def deferred(self, now_ms: int, limit: int) -> list[Deferred]:
        with self._db.read() as db:
            return [_deferred(body) for (body,) in db.execute(DUE, (now_ms, limit))]

    def forget_deferred(self, updates: Sequence[Deferred]) -> None:
        if updates:
            with self._db.write() as db:
                db.executemany(FORGET, [each.key for each in updates])
