"""Logging in, renewing, and ending logins: what the gateway and the command line do with the store.

A change writes the user or the session first, and then raises the generation. A login reads the generation first. So when
a token is made at the same time as a change, it may be revoked without need, but never stays valid by mistake.
"""

import secrets
from collections.abc import Callable
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.conversations import User, UserKind
from chat4all.model.failures import Temporary
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.sessions import ENDED, LOGOUT, OLD_PREFIX, REUSED, SESSIONS_MOST, Holding, Revocation, Session
from chat4all.ports.access import Access
from chat4all.ports.message_store import MessageStore
from chat4all.services.access import tokens
from chat4all.services.access.tokens import BadToken
from chat4all.settings import Settings
from chat4all.telemetry import logs

security = logs.logger("security")

TRIES = 20
DAY_S = 86_400
SAID = "this login has ended: log in again"


class Pair(Struct, frozen=True):
    """What a login gives: an access token, a refresh token, and the seconds that the first one lives."""

    access: str
    refresh: str
    life_s: int


class Logins:
    """The logins of a workspace. `clock`: ms UTC. `most`: so many of each user. `store`: as the workspace sees it."""

    def __init__(
        self,
        store: MessageStore,
        settings: Settings,
        clock: Callable[[], int] = now_ms,
        most: int = SESSIONS_MOST,
        workspace: str = DEFAULT_WORKSPACE,
    ) -> None:
        self._workspace = workspace
        self.clock = clock
        self._most = most
        self._store = store
        self._settings = settings
        # A token cannot outlive this, so what made it void need not be kept longer.
        self._keep_s = 2 * max(settings.token_s, 3600)

    def begin(self, user: User, generation: int, agent: str = "") -> Pair:
        """A new login. `generation`: as it was before the user was read and their secret checked."""
        now = self.clock()
        self._make_room(user.user_id, now)
        if user.kind is UserKind.CLIENT:
            # One of an older release is not listed yet.
            self._store.hold([Holding("", "client", user.user_id)])
        session_id = str(uuid4())
        begun = Session(user.user_id, session_id, now, now, self._ends(now), max(generation, user.valid_from), agent=agent)
        return self._pair(user, self._store.add_session(begun))

    def _make_room(self, user_id: str, now: int) -> None:
        """The login that was not used for longest gives way. Its access token ends by itself."""
        there = [each for each in self._store.sessions(user_id) if not each.session_id.startswith(OLD_PREFIX)]
        if len(there) >= self._most:
            oldest = sorted(there, key=lambda each: (not each.ended, each.used_at))
            self._store.drop_sessions(user_id, [each.session_id for each in oldest[: len(there) - self._most + 1]])

    def _ends(self, now: int) -> int:
        return now + self._settings.refresh_days * DAY_S * 1000

    def _pair(self, user: User, session: Session) -> Pair:
        secret, life_s = self._settings.secret("jwt"), self._settings.token_s
        said = (session.session_id, session.generation, session.turn)
        return Pair(
            tokens.issue(user, tokens.ACCESS, life_s, secret, *said, self._workspace),
            tokens.issue(user, tokens.REFRESH, self._settings.refresh_days * DAY_S, secret, *said, self._workspace),
            life_s,
        )

    def renew(self, token: str) -> Pair:
        """New tokens for a refresh token, which is then used up. BadToken when it is not good, or no longer.

        The same token again, within a minute and before anybody used what it gave, is the same renewal. Later it was stolen,
        or what it gave was: the login ends.
        """
        said = tokens.read(token, self._settings.secret("jwt"), tokens.REFRESH)
        caller = said.caller
        generation = self._store.generation()
        user = self._store.users([caller.user_id]).get(caller.user_id)
        if user is None or user.disabled_at or caller.generation < user.valid_from:
            raise BadToken(SAID, tokens.REVOKED)
        for _ in range(TRIES):
            session, now = self._session(said), self.clock()
            if session is None or not session.is_good(now, user.valid_from):
                raise BadToken(SAID, tokens.REVOKED)
            if said.turn == session.turn:
                turned = session.turned(now, max(session.expires_at, self._ends(now)), max(generation, user.valid_from))
                if self._store.swap_session(session, turned):
                    return self._pair(user, turned)
            elif session.is_lost_answer(said.turn, now):
                return self._pair(user, session)
            else:
                self.end(session, REUSED)
                raise BadToken(SAID, tokens.REUSED)
        raise Temporary("store", "others keep renewing this login")

    def _session(self, said: tokens.Token) -> Session | None:
        who, session_id, now = said.caller.user_id, said.caller.session, self.clock()
        found = self._store.session(who, session_id)
        if found is None and session_id.startswith(OLD_PREFIX):
            found = self._store.add_session(Session(who, session_id, now, now, max(said.expires_at, self._ends(now))))
        return found

    def log_out(self, user_id: str, session_id: str) -> None:
        """End the login that a token names. One that is not kept any more is made void all the same."""
        session = self._store.session(user_id, session_id)
        if session is None and session_id.startswith(OLD_PREFIX):
            now = self.clock()
            session = self._store.add_session(Session(user_id, session_id, now, now, self._ends(now)))
        if session:
            self.end(session, LOGOUT)
        elif session_id:
            self._store.revoke([Revocation(session_id)], self._keep_s)

    def end(self, session: Session, why: str = ENDED) -> None:
        """End one login, everywhere within two seconds."""
        there: Session | None = session
        while there is not None and not there.ended:
            if self._store.swap_session(there, replace(there, ended=why)):
                break
            there = self._store.session(session.user_id, session.session_id)
        self._store.revoke([Revocation(session.session_id)], self._keep_s)
        security.warning("login_ended", why=why, user_id=session.user_id, session_id=session.session_id)

    def sessions(self, user: User) -> list[Session]:
        """The user's logins that go on."""
        now = self.clock()
        return [each for each in self._store.sessions(user.user_id) if each.is_good(now, user.valid_from)]

    def end_all(self, user_id: str, change: Callable[[User], User] = lambda user: user) -> User | None:
        """Change the user and make all their earlier tokens void; None when there is no such user."""
        return end_all(self._store, user_id, self._keep_s, change)


def end_all(store: Access, user_id: str, keep_s: int, change: Callable[[User], User] = lambda user: user) -> User | None:
    """Change the user and make all their earlier tokens void, everywhere within two seconds; None: no such user."""
    before = store.generation() + 1
    changed = store.change_user(user_id, lambda user: replace(change(user), valid_from=max(user.valid_from, before)))
    if changed:
        store.revoke([Revocation(user_id=user_id, before=changed.valid_from)], keep_s)
    return changed


def new_secret() -> str:
    """A password or client secret that nobody guesses."""
    return secrets.token_urlsafe(32)
