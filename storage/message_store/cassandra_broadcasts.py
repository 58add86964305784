"""Broadcasts and their results in Cassandra. Broadcasts are few: one partition, changed by compare-and-set only.

What workers have to look at is in a list too, from before it is so until after it has ended: it may hold one too many, never
one too few.
"""

from collections.abc import Sequence

import msgspec

from chat4all.model.broadcasts import DONE, STOPPED, Broadcast, Later, Result
from chat4all.ports.broadcasts import Broadcasts
from storage.message_store.cassandra_rows import Lookup, as_json
from storage.message_store.cassandra_session import Session

ALL = "all"

SWAP = "UPDATE broadcasts SET version = ?, body = ? WHERE scope = ? AND broadcast_id = ? IF version = ?"
ONE = "SELECT body FROM broadcasts WHERE scope = ? AND broadcast_id = ?"
SOME = "SELECT body FROM broadcasts WHERE scope = ? AND broadcast_id > ? LIMIT ?"
RUN = "INSERT INTO broadcasts_running (scope, broadcast_id) VALUES (?, ?)"
REST = "DELETE FROM broadcasts_running WHERE scope = ? AND broadcast_id = ?"
RUNS = "SELECT broadcast_id FROM broadcasts_running WHERE scope = ?"
RESULT = "INSERT INTO broadcast_results (broadcast_id, contact_id, body) VALUES (?, ?, ?)"
RESULTS = "SELECT body FROM broadcast_results WHERE broadcast_id = ? AND contact_id > ? LIMIT ?"
RESULTS_OF = Lookup("body", "broadcast_results", "broadcast_id", "contact_id")
LISTED = "INSERT INTO broadcast_audience (broadcast_id, address) VALUES (?, ?)"
AUDIENCE = "SELECT address FROM broadcast_audience WHERE broadcast_id = ? AND address > ? LIMIT ?"
LATER = "INSERT INTO broadcast_later (broadcast_id, due_at, turn) VALUES (?, ?, ?)"
DUE = "SELECT due_at, turn FROM broadcast_later WHERE broadcast_id = ? AND (due_at, turn) > (?, ?) AND (due_at) <= (?) LIMIT ?"

_broadcast = msgspec.json.Decoder(Broadcast).decode
_result = msgspec.json.Decoder(Result).decode


class CassandraBroadcasts(Broadcasts):
    """The part of the store that knows broadcasts."""

    _db: Session

    def put_broadcast(self, broadcast: Broadcast) -> bool:
        key, version = broadcast.broadcast_id, broadcast.version
        if broadcast.untold or (broadcast.is_at_work and not broadcast.stepped_at):
            self._db.put([(("broadcasts_running", ALL), RUN, (ALL, key))])
        row = (version, as_json(broadcast), ALL, key, version - 1 or None)
        is_kept = bool(self._db.decide([(SWAP, row)])[0][0])
        if is_kept and broadcast.state in (STOPPED, DONE) and not broadcast.is_at_work:
            # There is never anything to do again.
            self._db.put([(("broadcasts_running", ALL), REST, (ALL, key))])
        return is_kept

    def broadcast(self, broadcast_id: str) -> Broadcast | None:
        rows = self._db.rows(ONE, ALL, broadcast_id)
        return next((_broadcast(body) for (body,) in rows if body), None)

    def broadcasts(self, limit: int, after: str = "") -> list[Broadcast]:
        return [_broadcast(body) for (body,) in self._db.rows(SOME, ALL, after, limit) if body]

    def running_broadcasts(self) -> list[Broadcast]:
        listed = [self.broadcast(broadcast_id) for (broadcast_id,) in self._db.rows(RUNS, ALL)]
        return [each for each in listed if each and each.is_at_work]

    def put_results(self, broadcast_id: str, results: Sequence[Result]) -> None:
        self._db.put(
            (("broadcast_results", broadcast_id), RESULT, (broadcast_id, each.turn, as_json(each))) for each in results
        )

    def results(self, broadcast_id: str, limit: int, after: str = "") -> list[Result]:
        return [_result(body) for (body,) in self._db.rows(RESULTS, broadcast_id, after, limit)]

    def results_of(self, broadcast_id: str, turns: Sequence[str]) -> dict[str, Result]:
        rows = RESULTS_OF(self._db, [(broadcast_id, each) for each in turns])
        return {turn: _result(body) for (_, turn), (body,) in rows}

    def add_audience(self, broadcast_id: str, addresses: Sequence[str]) -> None:
        self._db.put((("broadcast_audience", broadcast_id), LISTED, (broadcast_id, each)) for each in addresses)

    def audience(self, broadcast_id: str, limit: int, after: str = "") -> list[str]:
        return [address for (address,) in self._db.rows(AUDIENCE, broadcast_id, after, limit)]

    def put_later(self, broadcast_id: str, turns: Sequence[Later]) -> None:
        self._db.put((("broadcast_later", broadcast_id), LATER, (broadcast_id, each.due_at, each.turn)) for each in turns)

    def later(self, broadcast_id: str, after: str, until: int, limit: int) -> list[Later]:
        due_at, _, turn = after.partition(" ")
        return [Later(*row) for row in self._db.rows(DUE, broadcast_id, int(due_at or -1), turn, until, limit)]
