"""Updates that wait for something to be known, in Cassandra: by the minute in which they are looked at next.

The minutes that have any are rows of their own. One is removed when it is over and empty; who writes into a minute names it
first, and minutes are written before they begin.
"""

from collections.abc import Sequence

import msgspec

from chat4all.ports.deferred import Deferrals, Deferred
from storage.message_store.cassandra_rows import as_json
from storage.message_store.cassandra_session import Put, Session

MINUTE_MS = 60_000
# By so much clocks of processes may differ, and a write may be late.
OVER = 10
MINUTES_AT_ONCE = 50

NAME = "INSERT INTO deferred_minutes (scope, minute) VALUES ('all', ?)"
MINUTES = "SELECT minute FROM deferred_minutes WHERE scope = 'all' AND minute <= ? LIMIT ?"
UNNAME = "DELETE FROM deferred_minutes WHERE scope = 'all' AND minute = ?"
PUT = "INSERT INTO deferred (minute, look_at, channel, account, provider_id, body) VALUES (?, ?, ?, ?, ?, ?)"
DUE = "SELECT body FROM deferred WHERE minute = ? AND look_at <= ? LIMIT ?"
FORGET = "DELETE FROM deferred WHERE minute = ? AND look_at = ? AND channel = ? AND account = ? AND provider_id = ?"

_deferred = msgspec.json.Decoder(Deferred).decode


class CassandraDeferrals(Deferrals):
    """The part of the store that keeps what waits."""

    _db: Session

    def defer(self, updates: Sequence[Deferred]) -> None:
        minutes = dict.fromkeys(each.look_at // MINUTE_MS for each in updates)
        self._db.put((("deferred_minutes",), NAME, (minute,)) for minute in minutes)
        self._db.put(_put(each) for each in updates)

    def deferred(self, now_ms: int, limit: int) -> list[Deferred]:
        now = now_ms // MINUTE_MS
        found: list[Deferred] = []
        for (minute,) in self._db.rows(MINUTES, now, MINUTES_AT_ONCE):
            rows = self._db.rows(DUE, minute, now_ms, limit - len(found)) if len(found) < limit else []
            found += [_deferred(body) for (body,) in rows]
            if not rows and len(found) < limit and minute < now - OVER:
                self._db.put([(("deferred_minutes",), UNNAME, (minute,))])
        return found

    def forget_deferred(self, updates: Sequence[Deferred]) -> None:
        self._db.put(
            (("deferred", each.key[0] // MINUTE_MS), FORGET, (each.key[0] // MINUTE_MS, *each.key)) for each in updates
        )


def _put(each: Deferred) -> Put:
    minute = each.look_at // MINUTE_MS
    return ("deferred", minute), PUT, (minute, *each.key, as_json(each))
