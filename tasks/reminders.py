"""Does what is due with conversations: snoozes that are over, what was said while one was closed, changes that nobody told.

Once a second, by any worker or by several: what is done twice changes nothing. What is due is forgotten only after it was
done, so a worker that is killed leaves it to the next.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

from chat4all.model.clock import now_ms
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.handling import TELL, Due, Handling
from chat4all.services.handling import changed, looked_at, tell
from chat4all.telemetry import logs, metrics
from chat4all.telemetry.instruments import Values
from tasks.resources import Parts

log = logs.logger(__name__)

AT_ONCE = 200
# A change is told by whoever made it; only what they did not come to is told here.
TOLD_MS = 2_000
TIMEOUT_S = 5.0


class Reminders:
    """What one worker does of it. `clock`: ms UTC."""

    def __init__(self, clock: Callable[[], int] = now_ms) -> None:
        self._clock = clock
        self._behind_ms = 0
        self._shown = False

    def sweep(self, opened: Parts) -> int:
        """Do what is due; how much that was, a part of it at most. Costs nothing where nobody handles conversations."""
        if not opened.store.handles_any():
            return 0
        now = self._clock()
        found = opened.store.due_handlings(now, AT_ONCE)
        due = [each for each in found if each.kind != TELL or each.at <= now - TOLD_MS]
        self._show(now - due[0].at if due else 0)
        for name, of_one in groupby(sorted(due, key=lambda each: each.conversation_id), lambda each: each.conversation_id):
            try:
                self._do(opened, name, list(of_one))
            except Temporary:
                raise
            except Exception:
                # It stays due, and shows in how far this is behind.
                log.exception("reminder_failed", conversation_id=name)
        return len(due)

    def _do(self, opened: Parts, name: str, due: Sequence[Due]) -> None:
        now, store = self._clock(), opened.store
        kept, woken = changed(store, name, partial(_woken, now))
        heard = looked_at(store, kept)
        newest = heard or kept
        if woken or heard or any(each.kind == TELL for each in due):
            try:
                tell(store, opened.log, [newest], opened.partitions, TIMEOUT_S)
            except (Temporary, Unknown) as failure:
                log.warning("handling_untold", reason=failure.reason, conversation_id=name)
                return
        if woken or heard:
            metrics.CONVERSATIONS_OPENED.of("customer" if heard else "snooze").add()
        store.settle_due(due)

    def _show(self, behind_ms: int) -> None:
        self._behind_ms = behind_ms
        if not self._shown:
            self._shown = True
            metrics.REMINDERS_BEHIND.from_(self.behind)

    def behind(self) -> Values:
        """How long the oldest of what was due had waited at the last look."""
        return {(): self._behind_ms / 1000}


def _woken(now: int, handling: Handling) -> Handling:
    return handling.opened(now) if handling.is_woken(now) else handling
