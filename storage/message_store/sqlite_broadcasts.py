"""Broadcasts and their results in SQLite."""

from collections.abc import Sequence

import msgspec

from chat4all.model.broadcasts import Broadcast, Later, Result
from chat4all.ports.broadcasts import Broadcasts
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, Write, as_json, fetched

ADD = "INSERT INTO broadcasts VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
REPLACE = "UPDATE broadcasts SET version = ?, runs = ?, body = ? WHERE broadcast_id = ? AND version = ?"
ONE = "SELECT body FROM broadcasts WHERE broadcast_id = ?"
SOME = "SELECT body FROM broadcasts WHERE broadcast_id > ? ORDER BY broadcast_id LIMIT ?"
# The condition is the one of the index broadcasts_running.
RUN = "SELECT body FROM broadcasts WHERE runs = 1"
RESULT = Write("INSERT INTO broadcast_results VALUES {rows} ON CONFLICT DO UPDATE SET body = excluded.body", 3)
RESULTS = "SELECT body FROM broadcast_results WHERE broadcast_id = ? AND contact_id > ? ORDER BY contact_id LIMIT ?"
RESULTS_OF = Lookup("body", "CROSS JOIN broadcast_results USING (broadcast_id, contact_id)", "broadcast_id", "contact_id")
LISTED = Write("INSERT INTO broadcast_audience VALUES {rows} ON CONFLICT DO NOTHING", 2)
AUDIENCE = "SELECT address FROM broadcast_audience WHERE broadcast_id = ? AND address > ? ORDER BY address LIMIT ?"
LATER = Write("INSERT INTO broadcast_later VALUES {rows} ON CONFLICT DO NOTHING", 4)
DUE = "SELECT due_at, turn FROM broadcast_later WHERE broadcast_id = ? AND place > ? AND due_at <= ? ORDER BY place LIMIT ?"

_broadcast = msgspec.json.Decoder(Broadcast).decode
_result = msgspec.json.Decoder(Result).decode


class SQLiteBroadcasts(Broadcasts):
    """The part of the store that knows broadcasts."""

    _db: Connections

    def put_broadcast(self, broadcast: Broadcast) -> bool:
        key, version = broadcast.broadcast_id, broadcast.version
        row = (version, broadcast.is_at_work, as_json(broadcast))
        with self._db.write() as db:
            written = db.execute(ADD, (key, *row)) if version == 1 else db.execute(REPLACE, (*row, key, version - 1))
            return written.rowcount == 1

    def broadcast(self, broadcast_id: str) -> Broadcast | None:
        with self._db.read() as db:
            row = db.execute(ONE, (broadcast_id,)).fetchone()
        return _broadcast(row[0]) if row else None

    def broadcasts(self, limit: int, after: str = "") -> list[Broadcast]:
        with self._db.read() as db:
            return [_broadcast(body) for (body,) in fetched(db, "body", SOME, (after, limit))]

    def running_broadcasts(self) -> list[Broadcast]:
        with self._db.read() as db:
            return [_broadcast(body) for (body,) in db.execute(RUN).fetchall()]

    def put_results(self, broadcast_id: str, results: Sequence[Result]) -> None:
        self._db.put((RESULT, [(broadcast_id, each.turn, as_json(each)) for each in results]))

    def results(self, broadcast_id: str, limit: int, after: str = "") -> list[Result]:
        with self._db.read() as db:
            return [_result(body) for (body,) in fetched(db, "body", RESULTS, (broadcast_id, after, limit))]

    def results_of(self, broadcast_id: str, turns: Sequence[str]) -> dict[str, Result]:
        with self._db.read() as db:
            rows = RESULTS_OF(db, [(broadcast_id, each) for each in turns])
        return {turn: _result(body) for (_, turn), (body,) in rows}

    def add_audience(self, broadcast_id: str, addresses: Sequence[str]) -> None:
        self._db.put((LISTED, [(broadcast_id, each) for each in addresses]))

    def audience(self, broadcast_id: str, limit: int, after: str = "") -> list[str]:
        with self._db.read() as db:
            return [address for (address,) in db.execute(AUDIENCE, (broadcast_id, after, limit))]

    def put_later(self, broadcast_id: str, turns: Sequence[Later]) -> None:
        self._db.put((LATER, [(broadcast_id, each.place, each.due_at, each.turn) for each in turns]))

    def later(self, broadcast_id: str, after: str, until: int, limit: int) -> list[Later]:
        with self._db.read() as db:
            return [Later(*row) for row in db.execute(DUE, (broadcast_id, after, until, limit))]
