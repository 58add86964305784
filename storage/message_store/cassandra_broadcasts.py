"""Broadcasts and their results in Cassandra. Broadcasts are few: one partition, changed by compare-and-set only.

What runs is in a list too, from before it does until after it has ended: the list may hold one too many, never one too few.
"""

from collections.abc import Sequence

import msgspec

from chat4all.model.broadcasts import DONE, RUNNING, STOPPED, Broadcast, Result
from chat4all.ports.broadcasts import Broadcasts
from storage.message_store.cassandra_rows import as_json
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

_broadcast = msgspec.json.Decoder(Broadcast).decode
_result = msgspec.json.Decoder(Result).decode


class CassandraBroadcasts(Broadcasts):
    """The part of the store that knows broadcasts."""

    _db: Session

    def put_broadcast(self, broadcast: Broadcast) -> bool:
        key, version = broadcast.broadcast_id, broadcast.version
        if broadcast.state == RUNNING and not broadcast.stepped_at:
            self._db.put([(("broadcasts_running", ALL), RUN, (ALL, key))])
        row = (version, as_json(broadcast), ALL, key, version - 1 or None)
        is_kept = bool(self._db.decide([(SWAP, row)])[0][0])
        if is_kept and broadcast.state in (STOPPED, DONE):
            # It never runs again.
            self._db.put([(("broadcasts_running", ALL), REST, (ALL, key))])
        return is_kept

    def broadcast(self, broadcast_id: str) -> Broadcast | None:
        rows = self._db.rows(ONE, ALL, broadcast_id)
        return next((_broadcast(body) for (body,) in rows if body), None)

    def broadcasts(self, limit: int, after: str = "") -> list[Broadcast]:
        return [_broadcast(body) for (body,) in self._db.rows(SOME, ALL, after, limit) if body]

    def running_broadcasts(self) -> list[Broadcast]:
        listed = [self.broadcast(broadcast_id) for (broadcast_id,) in self._db.rows(RUNS, ALL)]
        return [each for each in listed if each and each.state == RUNNING]

    def put_results(self, broadcast_id: str, results: Sequence[Result]) -> None:
        self._db.put(
            (("broadcast_results", broadcast_id), RESULT, (broadcast_id, each.contact_id, as_json(each))) for each in results
        )

    def results(self, broadcast_id: str, limit: int, after: str = "") -> list[Result]:
        return [_result(body) for (body,) in self._db.rows(RESULTS, broadcast_id, after, limit)]
