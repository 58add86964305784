"""Logins, revocations, requests under an Idempotency-Key, and what counts towards a quota, in SQLite."""

import time
from collections.abc import Callable, Sequence

import msgspec

from chat4all.model.clock import now_ms
from chat4all.model.conversations import User, Verification
from chat4all.model.sessions import Holding, Revocation, Session
from chat4all.ports.access import Access
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import as_json

USER = "SELECT body FROM users WHERE user_id = ?"
SET_USER = "UPDATE users SET body = ? WHERE user_id = ?"
SWAP_VERIFICATION = (
    "UPDATE verifications SET code_hash = ?, expires_at = ?, tries_left = ? "
    "WHERE (user_id, channel, address, code_hash, expires_at, tries_left) = (?, ?, ?, ?, ?, ?)"
)
ADD_SESSION = "INSERT INTO sessions VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
SESSION = "SELECT body FROM sessions WHERE user_id = ? AND session_id = ?"
SESSIONS = "SELECT body FROM sessions WHERE user_id = ? ORDER BY session_id"
SET_SESSION = "UPDATE sessions SET expires_at = ?, body = ? WHERE user_id = ? AND session_id = ?"
DROP_SESSION = "DELETE FROM sessions WHERE user_id = ? AND session_id = ?"
GENERATION = "SELECT number FROM generation"
RAISE = "INSERT INTO generation VALUES (1, 1) ON CONFLICT DO UPDATE SET number = number + 1 RETURNING number"
REVOKE = "INSERT INTO revocations VALUES (?, ?, ?)"
REVOCATIONS = "SELECT body FROM revocations WHERE number > ? ORDER BY number"
BEGIN_REQUEST = (
    "INSERT INTO requests VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET until = excluded.until, body = excluded.body "
    "WHERE until < ?"
)
REQUEST = "SELECT body FROM requests WHERE owner = ? AND name = ?"
SWAP_REQUEST = "UPDATE requests SET until = ?, body = ? WHERE owner = ? AND name = ? AND body = ?"
DROP_REQUEST = "DELETE FROM requests WHERE owner = ? AND name = ? AND body = ?"
HOLD = "INSERT OR REPLACE INTO holdings VALUES (?, ?, ?, ?, ?)"
HOLDINGS = "SELECT * FROM holdings WHERE owner = ? AND kind = ? AND (until = 0 OR until > ?) ORDER BY thing"
LET_GO = "DELETE FROM holdings WHERE owner = ? AND kind = ? AND thing = ?"

_user = msgspec.json.Decoder(User).decode
_session = msgspec.json.Decoder(Session).decode
_revocations = msgspec.json.Decoder(list[Revocation]).decode


class SQLiteAccess(Access):
    """The part of the store that says who may come in."""

    _db: Connections

    def change_user(self, user_id: str, change: Callable[[User], User]) -> User | None:
        with self._db.write() as db:
            row = db.execute(USER, (user_id,)).fetchone()
            if row is None:
                return None
            wanted = change(_user(row[0]))
            db.execute(SET_USER, (as_json(wanted), user_id))
        return wanted

    def swap_verification(self, seen: Verification, wanted: Verification) -> bool:
        with self._db.write() as db:
            values = (wanted.code_hash, wanted.expires_at, wanted.tries_left, *msgspec.structs.astuple(seen))
            return db.execute(SWAP_VERIFICATION, values).rowcount == 1

    def add_session(self, session: Session) -> Session:
        key = (session.user_id, session.session_id)
        with self._db.write() as db:
            db.execute(ADD_SESSION, (*key, session.expires_at, as_json(session)))
            return _session(db.execute(SESSION, key).fetchone()[0])

    def session(self, user_id: str, session_id: str) -> Session | None:
        with self._db.read() as db:
            row = db.execute(SESSION, (user_id, session_id)).fetchone()
        return _session(row[0]) if row else None

    def sessions(self, user_id: str) -> list[Session]:
        with self._db.read() as db:
            return [_session(body) for (body,) in db.execute(SESSIONS, (user_id,)).fetchall()]

    def swap_session(self, seen: Session, wanted: Session) -> bool:
        key = (seen.user_id, seen.session_id)
        with self._db.write() as db:
            row = db.execute(SESSION, key).fetchone()
            if row is None or _session(row[0]) != seen:
                return False
            db.execute(SET_SESSION, (wanted.expires_at, as_json(wanted), *key))
        return True

    def drop_sessions(self, user_id: str, session_ids: Sequence[str]) -> None:
        with self._db.write() as db:
            db.executemany(DROP_SESSION, [(user_id, each) for each in session_ids])

    def generation(self) -> int:
        with self._db.read() as db:
            row = db.execute(GENERATION).fetchone()
        return int(row[0]) if row else 0

    def revoke(self, revocations: Sequence[Revocation], keep_s: int) -> int:
        until = now_ms() + keep_s * 1000
        with self._db.write() as db:
            number = int(db.execute(RAISE).fetchone()[0])
            db.execute(REVOKE, (number, until, as_json(revocations)))
        return number

    def revocations(self, after: int) -> tuple[int, list[Revocation]]:
        # The generation first: what is read after it holds at least all that it says.
        number = self.generation()
        with self._db.read() as db:
            rows = db.execute(REVOCATIONS, (after,)).fetchall()
        return number, [each for (body,) in rows for each in _revocations(body)]

    def begin_request(self, owner: str, key: str, body: str, keep_s: int) -> str:
        now = int(time.time())
        with self._db.write() as db:
            db.execute(BEGIN_REQUEST, (owner, key, (now + keep_s) * 1000, body, now * 1000))
            return str(db.execute(REQUEST, (owner, key)).fetchone()[0])

    def swap_request(self, owner: str, key: str, seen: str, wanted: str | None, keep_s: int) -> bool:
        until = int(time.time() + keep_s) * 1000
        with self._db.write() as db:
            if wanted is None:
                return db.execute(DROP_REQUEST, (owner, key, seen)).rowcount == 1
            return db.execute(SWAP_REQUEST, (until, wanted, owner, key, seen)).rowcount == 1

    def hold(self, holdings: Sequence[Holding]) -> None:
        with self._db.write() as db:
            db.executemany(HOLD, [msgspec.structs.astuple(each) for each in holdings])

    def holdings(self, owner: str, kind: str) -> list[Holding]:
        with self._db.read() as db:
            return [Holding(*row) for row in db.execute(HOLDINGS, (owner, kind, now_ms())).fetchall()]

    def let_go(self, owner: str, kind: str, things: Sequence[str]) -> None:
        with self._db.write() as db:
            db.executemany(LET_GO, [(owner, kind, each) for each in things])
