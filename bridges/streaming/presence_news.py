"""Tells the readers of this process who came and who went."""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor

from bridges.streaming.hub import Hub
from chat4all.model.clock import now_ms
from chat4all.model.event_naming import with_bare_ids
from chat4all.model.failures import Failure
from chat4all.model.passing import presence_event
from chat4all.model.presence import Change
from chat4all.ports import MessageStore
from chat4all.telemetry.logs import logger

log_to = logger(__name__)

# So many are told of in one step, and so long later the next: when all come at once, they have more urgent things to do.
AT_ONCE, PAUSE_S = 50, 0.05
# Who came or went so long ago is not told.
STALE_MS = 60_000
# Of somebody in more conversations than this, the members of these are told.
CONVERSATIONS_MOST = 500


class PresenceNews:
    """Lives on one loop; the store is asked on `threads`."""

    def __init__(self, store: MessageStore, hub: Hub, threads: Executor) -> None:
        self._store, self._hub, self._threads = store, hub, threads
        self._untold: dict[str, Change] = {}
        self._something = asyncio.Event()

    @property
    def is_heard(self) -> bool:
        """Whether anybody reads here."""
        return self._hub.subscribers > 0

    def of(self, changes: Iterable[Change]) -> None:
        """Tell these soon: of each user the newest."""
        for each in changes:
            self._untold.pop(each.user_id, None)
            self._untold[each.user_id] = each
        self._something.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._something.wait()
            self._something.clear()
            while self._untold:
                some = [self._untold.pop(each) for each in list(self._untold)[:AT_ONCE]]
                oldest = now_ms() - STALE_MS
                try:
                    await self._tell([each for each in some if self.is_heard and each.at >= oldest])
                except Failure as failure:
                    log_to.warning("presence_not_told", reason=failure.reason)
                except Exception:
                    # Some are not told; who comes next is.
                    log_to.exception("presence_failed")
                await asyncio.sleep(PAUSE_S)

    async def _tell(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        here = self._hub.users
        wanted = [each.user_id for each in changes if len(here) > (each.user_id in here)]
        known = await asyncio.get_running_loop().run_in_executor(self._threads, self._acquainted, wanted) if wanted else {}
        for each in changes:
            event = presence_event(each.user_id, each.at, online=each.online, last_seen=each.last_seen)
            event.at = now_ms()
            self._hub.dispatch(with_bare_ids(event), known.get(each.user_id, ()))

    def _acquainted(self, user_ids: Sequence[str]) -> dict[str, set[str]]:
        """Who shares a conversation with each."""
        talks = {each: self._store.conversations_of(each)[:CONVERSATIONS_MOST] for each in user_ids}
        there = self._store.memberships(sorted({name for names in talks.values() for name in names}))
        return {
            each: {user for name in names if name in there and there[name].has(each) for user in there[name].now()} - {each}
            for each, names in talks.items()
        }
