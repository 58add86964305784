"""Which tokens are revoked, as one process knows it: it asks the store for the generation once a second.

A token that is not revoked is accepted without asking the store. A revocation is in force everywhere a second later, whether
the broker is there or not. A process that has not reached the store for 30 s accepts no token.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping

from msgspec import Struct

from chat4all.model.callers import Caller
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import ACTIVE, BETWEEN, Limits, Workspace
from chat4all.ports.message_store import MessageStore
from chat4all.services.watching import Watch
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)

# A login must end everywhere within two seconds.
EVERY_S = 1.0
# A restart of the store must not end everybody's connections; beyond that nobody is trusted.
BLIND_S = 30.0
# How often all revocations that are kept are read, so that the others are forgotten.
ANEW_S = 3600.0
PAGE = 200
NO_LIMITS = Limits()


class Known(Struct, frozen=True):
    """What the store had said at a generation: sessions that have ended, by user up to which generation theirs have.

    `workspaces`: those beside `default`.
    """

    generation: int = 0
    sessions: frozenset[str] = frozenset()
    users: Mapping[str, int] = {}
    workspaces: Mapping[str, Workspace] = {}


class Revocations:
    """What is void. Thread-safe. Begins to watch when it is first asked; `close` ends that.

    on_change: called, in a thread of its own, after each change and when it is found to be blind.
    """

    def __init__(
        self,
        store: MessageStore,
        on_change: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        every_s: float = EVERY_S,
        blind_s: float = BLIND_S,
    ) -> None:
        self._store = store
        self._blind_s = blind_s
        self._on_change = on_change
        self._clock = clock
        self._reading = threading.Lock()
        self._watch = Watch("revocations", every_s, self.read, self._read_again)
        self._known = Known()
        self._begun = self._read_at = float("-inf")

    @property
    def is_blind(self) -> bool:
        """Whether the store was not reached for so long that nothing is certain."""
        return self._clock() - self._read_at >= self._blind_s

    def is_void(self, caller: Caller) -> bool:
        """Whether this login has ended. Temporary when that cannot be told."""
        self._watch.begin()
        if self.is_blind:
            raise Temporary("store", "which logins have ended is not known")
        known = self._known
        return caller.session in known.sessions or caller.generation < known.users.get(caller.stored_id, 0)

    def closed(self, workspace: str) -> str:
        """Why nobody may do anything in this workspace, as a code; empty: they may. Temporary when that cannot be told."""
        if workspace == DEFAULT_WORKSPACE:
            return ""
        state = self._workspace(workspace).state
        return "" if state == ACTIVE else f"workspace_{state}"

    def limits_of(self, workspace: str) -> Limits:
        """What this workspace may do at most. Temporary when that cannot be told."""
        return NO_LIMITS if workspace == DEFAULT_WORKSPACE else self._workspace(workspace).limits

    def _workspace(self, workspace_id: str) -> Workspace:
        """One that was made just now may not be known yet: there is nothing against it."""
        self._watch.begin()
        if self.is_blind:
            raise Temporary("store", "which workspaces are suspended is not known")
        return self._known.workspaces.get(workspace_id, Workspace(workspace_id))

    def read(self) -> bool:
        """Ask the store now; whether anything changed. Temporary or Unknown when it does not answer."""
        with self._reading:
            now = self._clock()
            # From time to time all of it anew, so that what the store has forgotten is forgotten here too.
            anew = now - self._begun >= ANEW_S
            changed = anew or self._store.generation() != self._known.generation
            if changed:
                self._take(Known() if anew else self._known)
                self._begun = now if anew else self._begun
            self._read_at = now
            return changed

    def _take(self, before: Known) -> None:
        number, revoked = self._store.revocations(before.generation)
        users = dict(before.users)
        for each in revoked:
            if each.user_id:
                users[each.user_id] = max(each.before, users.get(each.user_id, 0))
        sessions = frozenset(each.session_id for each in revoked if each.session_id)
        changed = {each.user_id[: -len(BETWEEN)] for each in revoked if each.user_id.endswith(BETWEEN)}
        workspaces = {**before.workspaces, **self._workspaces_now(changed if before.generation else None)}
        self._known = Known(number, before.sessions | sessions, users, workspaces)

    def _workspaces_now(self, changed: Collection[str] | None) -> dict[str, Workspace]:
        """Those that changed; None: all."""
        if changed is not None:
            found = [self._store.workspace(each) for each in changed]
            return {each.workspace_id: each for each in found if each}
        known: dict[str, Workspace] = {}
        while page := self._store.workspaces(PAGE, max(known, default="")):
            known |= {each.workspace_id: each for each in page}
            if len(page) < PAGE:
                break
        return known

    def _read_again(self) -> None:
        try:
            changed = self.read()
        except (Temporary, Unknown) as failure:
            metrics.REVOCATIONS_UNREAD.add()
            log.warning("revocations_unread", reason=failure.reason)
            changed = self.is_blind
        if changed and self._on_change:
            self._on_change()

    def close(self) -> None:
        """Watch no longer. Safe to call twice."""
        self._watch.close()
