"""Authentication at the stream server, and the end of open streams: when their token expires, or their login is revoked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress

from chat4all.model.failures import Temporary, Unknown
from chat4all.ports import MessageStore
from chat4all.services.access.authentication import Admission, NotAdmitted, Visitor
from chat4all.services.access.rate_limits import Grant, Limits
from chat4all.services.access.revocations import Revocations
from chat4all.settings import Settings

EXPIRED, REVOKED, UNCERTAIN = "token_expired", "token_revoked", "unavailable"
WHY = {
    EXPIRED: "the token has expired",
    REVOKED: "this login has ended: log in again",
    UNCERTAIN: "resume with the last cursor",
}


class MustEnd(Exception):
    """A stream must end now. `code` says why, as at the gateway."""

    def __init__(self, code: str) -> None:
        super().__init__(WHY[code])
        self.code = code


class _Visit:
    """An open stream."""

    def __init__(self, visitor: Visitor, limit: asyncio.Timeout) -> None:
        self.visitor, self.limit = visitor, limit
        self.why = EXPIRED


class Gate:
    """Admits callers and ends their streams. Made on the loop; `pool` is for what blocks."""

    def __init__(self, settings: Settings, store: MessageStore, pool: Executor) -> None:
        self._loop = asyncio.get_running_loop()
        self._pool = pool
        self._revocations = Revocations(store, self._changed)
        self._admission = Admission(settings.secret("jwt"), self._revocations)
        self._limits = Limits(settings)
        self._visits: set[_Visit] = set()

    async def call(self, authorization: str) -> Visitor:
        """Who calls. NotAdmitted, TooMany, or Temporary."""
        return await self._loop.run_in_executor(self._pool, self._admit, authorization, self._limits.call)

    async def stream(self, authorization: str) -> Visitor:
        """Who wants a stream. NotAdmitted, TooMany, or Temporary."""
        return await self._loop.run_in_executor(self._pool, self._admit, authorization, self._limits.stream)

    async def look(self, authorization: str) -> None:
        """Whether they are known at all. NotAdmitted or Temporary."""
        await self._loop.run_in_executor(self._pool, self._admission.admit, authorization)

    def _admit(self, authorization: str, take: Callable[[str], Grant]) -> Visitor:
        visitor = self._admission.admit(authorization)
        take(visitor.caller.user_id)
        return visitor

    @asynccontextmanager
    async def visit(self, visitor: Visitor) -> AsyncIterator[None]:
        """For as long as the visitor may stay. MustEnd when that is over, whatever was under way."""
        visit: _Visit | None = None
        try:
            async with asyncio.timeout(visitor.seconds_left) as limit:
                visit = _Visit(visitor, limit)
                self._visits.add(visit)
                # It may have been revoked since it was admitted.
                self._end(visit)
                yield
        except TimeoutError:
            if visit is None or not visit.limit.expired():
                raise
            raise MustEnd(visit.why) from None
        finally:
            if visit:
                self._visits.discard(visit)

    def _changed(self) -> None:
        # Not when the loop has ended already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end_void)

    def _end_void(self) -> None:
        for visit in list(self._visits):
            self._end(visit)

    def _end(self, visit: _Visit) -> None:
        """End it if it must. Never waits: the watch has begun when somebody was admitted."""
        try:
            if not self._revocations.is_void(visit.visitor.caller):
                return
            visit.why = REVOKED
        except (Temporary, Unknown):
            visit.why = UNCERTAIN
        if not visit.limit.expired():
            visit.limit.reschedule(self._loop.time())

    def close(self) -> None:
        """Watch no longer."""
        self._revocations.close()


__all__ = ["Gate", "MustEnd", "NotAdmitted", "Visitor"]
