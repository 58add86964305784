"""Logins, revocations, requests under an Idempotency-Key, and what counts towards a quota, in Cassandra."""

import random
import time
from collections.abc import Callable, Sequence

import msgspec

from chat4all.model.clock import now_ms
from chat4all.model.conversations import User, Verification
from chat4all.model.failures import Temporary
from chat4all.model.sessions import Holding, Revocation, Session
from chat4all.ports.access import Access
from storage.message_store.cassandra_directory import DAY_S, USERS, VERIFICATIONS, Key
from storage.message_store.cassandra_rows import PAUSE_MS, ROUNDS, Register, as_json
from storage.message_store.cassandra_session import Session as Database

SESSIONS = Register("sessions", "user_id", "session_id")
SESSIONS_OF = "SELECT body FROM sessions WHERE user_id = ?"
DROP_SESSION = "DELETE FROM sessions WHERE user_id = ? AND session_id = ? IF EXISTS"
LONGEST_S = 20 * 365 * DAY_S
REQUESTS = Register("requests", "owner", "name")
SCOPE = "all"
GENERATION = "SELECT current FROM revocations WHERE scope = ? LIMIT 1"
RAISE = "UPDATE revocations SET current = ? WHERE scope = ? IF current = ?"
REVOKE = "INSERT INTO revocations (scope, number, body) VALUES (?, ?, ?) USING TTL ?"
REVOCATIONS = "SELECT current, body FROM revocations WHERE scope = ? AND number > ?"
HOLD = "INSERT INTO holdings (owner, kind, thing, amount, until) VALUES (?, ?, ?, ?, ?) USING TTL ?"
HOLDINGS = "SELECT thing, amount, until FROM holdings WHERE owner = ? AND kind = ?"
LET_GO = "DELETE FROM holdings WHERE owner = ? AND kind = ? AND thing = ?"

_user = msgspec.json.Decoder(User).decode
_verification = msgspec.json.Decoder(Verification).decode
_session = msgspec.json.Decoder(Session).decode
_revocations = msgspec.json.Decoder(list[Revocation]).decode


class CassandraAccess(Access):
    """The part of the store that says who may come in."""

    _db: Database

    def change_user(self, user_id: str, change: Callable[[User], User]) -> User | None:
        def changed(_key: Key, there: str | None) -> str | None:
            return as_json(change(_user(there))) if there else None

        body, _ = USERS.settle(self._db, [(user_id,)], changed)[user_id,] if user_id else (None, False)
        return _user(body) if body else None

    def swap_verification(self, seen: Verification, wanted: Verification) -> bool:
        def swapped(_key: Key, there: str | None) -> str | None:
            return as_json(wanted) if there and _verification(there) == seen else there

        key = (seen.user_id, seen.channel, seen.address)
        left_s = _left_s(wanted.expires_at) + DAY_S
        return VERIFICATIONS.settle(self._db, [key], swapped, left_s)[key][1]

    def add_session(self, session: Session) -> Session:
        key = (session.user_id, session.session_id)
        kept = SESSIONS.settle(self._db, [key], lambda _key, there: there or as_json(session), _left_s(session.expires_at))
        return _session(kept[key][0] or "")

    def session(self, user_id: str, session_id: str) -> Session | None:
        key = (user_id, session_id)
        body = SESSIONS.read(self._db, [key]).get(key)
        return _session(body) if body else None

    def sessions(self, user_id: str) -> list[Session]:
        rows = self._db.rows(SESSIONS_OF, user_id) if user_id else []
        return [_session(body) for (body,) in rows if body]

    def swap_session(self, seen: Session, wanted: Session) -> bool:
        def swapped(_key: Key, there: str | None) -> str | None:
            return as_json(wanted) if there and _session(there) == seen else there

        key = (seen.user_id, seen.session_id)
        return SESSIONS.settle(self._db, [key], swapped, _left_s(wanted.expires_at))[key][1]

    def drop_sessions(self, user_id: str, session_ids: Sequence[str]) -> None:
        if session_ids:
            self._db.decide([(DROP_SESSION, (user_id, each)) for each in session_ids])

    def generation(self) -> int:
        rows = self._db.rows(GENERATION, SCOPE)
        return int(rows[0][0] or 0) if rows else 0

    def revoke(self, revocations: Sequence[Revocation], keep_s: int) -> int:
        body = as_json(revocations)
        for _ in range(ROUNDS):
            rows = self._db.rows(GENERATION, SCOPE)
            there = rows[0][0] if rows else None
            number = (there or 0) + 1
            if self._db.decide_together([(RAISE, (number, SCOPE, there)), (REVOKE, (SCOPE, number, body, keep_s))]):
                return number
            time.sleep(random.uniform(*PAUSE_MS) / 1000)  # noqa: S311
        raise Temporary("store", "others kept revoking")

    def revocations(self, after: int) -> tuple[int, list[Revocation]]:
        # The generation first: what is read after it holds at least all that it says.
        number = self.generation()
        rows = self._db.rows(REVOCATIONS, SCOPE, after)
        return number, [each for _, body in rows if body for each in _revocations(body)]

    def begin_request(self, owner: str, key: str, body: str, keep_s: int) -> str:
        request = (owner, key)
        return REQUESTS.settle(self._db, [request], lambda _key, there: there or body, keep_s)[request][0] or ""

    def swap_request(self, owner: str, key: str, seen: str, wanted: str | None, keep_s: int) -> bool:
        request = (owner, key)
        kept = REQUESTS.settle(self._db, [request], lambda _key, there: wanted if there == seen else there, keep_s)
        return kept[request][1]

    def hold(self, holdings: Sequence[Holding]) -> None:
        puts = [
            (
                ("holdings", each.owner, each.kind),
                HOLD,
                (each.owner, each.kind, each.thing, each.amount, each.until, _left_s(each.until) if each.until else 0),
            )
            for each in holdings
        ]
        self._db.put(puts)

    def holdings(self, owner: str, kind: str) -> list[Holding]:
        now = now_ms()
        found = [Holding(owner, kind, *row) for row in self._db.rows(HOLDINGS, owner, kind)]
        return [each for each in found if not each.until or each.until > now]

    def let_go(self, owner: str, kind: str, things: Sequence[str]) -> None:
        self._db.put([(("holdings", owner, kind), LET_GO, (owner, kind, each)) for each in things])


def _left_s(until_ms: int) -> int:
    """Seconds until then, at least one: 0 would be for good. Servers take 20 years at most."""
    return min(LONGEST_S, max(1, -(-(until_ms - now_ms()) // 1000)))
