"""Authentication at the stream server, and the end of open streams: when their token expires, or their login is revoked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress

from bridges.streaming.times import TIMES, Times
from chat4all.model.failures import Temporary, Unknown
from chat4all.ports import MessageStore
from chat4all.services.access.authentication import CLOSED, Admission, AuthenticatedCaller, NotAdmitted, WorkspaceClosed
from chat4all.services.access.rate_limits import Grant, Limits
from chat4all.services.access.revocations import Revocations
from chat4all.settings import Settings

EXPIRED, REVOKED, UNCERTAIN = "token_expired", "token_revoked", "unavailable"
WHY = {
    EXPIRED: "the token has expired",
    REVOKED: "this login has ended: log in again",
    UNCERTAIN: "resume with the last cursor",
    **CLOSED,
}


class MustEnd(Exception):
    """A stream must end now. `code` says why, as at the gateway."""

    def __init__(self, code: str) -> None:
        super().__init__(WHY[code])
        self.code = code


class _OpenStream:
    """An open stream."""

    def __init__(self, authenticated: AuthenticatedCaller, limit: asyncio.Timeout) -> None:
        self.authenticated, self.limit = authenticated, limit
        self.why = EXPIRED


class Authenticator:
    """Admits callers and ends their streams. Made on the loop; `pool` is for what blocks."""

    def __init__(self, settings: Settings, store: MessageStore, pool: Executor, times: Times = TIMES) -> None:
        self._loop = asyncio.get_running_loop()
        self._pool = pool
        self._revocations = Revocations(store, self._changed, every_s=times.revocations_s, blind_s=times.blind_s)
        self._admission = Admission(settings.secret("jwt"), self._revocations)
        self._limits = Limits(settings)
        self._streams: set[_OpenStream] = set()

    async def call(self, authorization: str) -> AuthenticatedCaller:
        """Who calls. NotAdmitted, TooMany, or Temporary."""
        return await self._taken(self._limits.call, self._admission.admit, authorization)

    async def stream(self, authorization: str) -> AuthenticatedCaller:
        """Who wants a stream. NotAdmitted, TooMany, or Temporary."""
        return await self._taken(self._limits.stream, self._admission.admit, authorization)

    async def ticket(self, ticket: str) -> AuthenticatedCaller:
        """Whose stream this ticket opens. As `stream`."""
        return await self._taken(self._limits.stream, self._admission.admit_ticket, ticket)

    async def look(self, authorization: str) -> None:
        """Whether they are known at all. NotAdmitted or Temporary."""
        await self._loop.run_in_executor(self._pool, self._admission.admit, authorization)

    async def _taken(
        self, take: Callable[[str], Grant], admit: Callable[[str], AuthenticatedCaller], proof: str
    ) -> AuthenticatedCaller:
        """Whom this proves, within their rate."""

        def both() -> AuthenticatedCaller:
            authenticated = admit(proof)
            take(authenticated.caller.stored_id)
            workspace = authenticated.caller.workspace
            self._limits.workspace(workspace, self._revocations.limits_of(workspace).calls)
            return authenticated

        return await self._loop.run_in_executor(self._pool, both)

    @asynccontextmanager
    async def hold(self, authenticated: AuthenticatedCaller) -> AsyncIterator[None]:
        """For as long as the caller may stay. MustEnd when that is over, whatever was under way."""
        stream: _OpenStream | None = None
        try:
            async with asyncio.timeout(authenticated.seconds_left) as limit:
                stream = _OpenStream(authenticated, limit)
                self._streams.add(stream)
                # It may have been revoked since it was admitted.
                self._end(stream)
                yield
        except TimeoutError:
            if stream is None or not stream.limit.expired():
                raise
            raise MustEnd(stream.why) from None
        finally:
            if stream:
                self._streams.discard(stream)

    def _changed(self) -> None:
        # Not when the loop has ended already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end_void)

    def _end_void(self) -> None:
        for stream in list(self._streams):
            self._end(stream)

    def _end(self, stream: _OpenStream) -> None:
        """End it if it must. Never waits: the watch has begun when somebody was admitted."""
        try:
            caller = stream.authenticated.caller
            is_void, closed = self._revocations.is_void(caller), self._revocations.closed(caller.workspace)
            if not (is_void or closed):
                return
            stream.why = REVOKED if is_void else closed
        except (Temporary, Unknown):
            stream.why = UNCERTAIN
        if not stream.limit.expired():
            stream.limit.reschedule(self._loop.time())

    def close(self) -> None:
        """Watch no longer."""
        self._revocations.close()


__all__ = ["CLOSED", "AuthenticatedCaller", "Authenticator", "MustEnd", "NotAdmitted", "WorkspaceClosed"]
