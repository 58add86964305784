"""Several times a second each broadcast that runs takes a step, in a thread of its own: so what it says comes evenly."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import cast

from chat4all.model.broadcasts import Broadcast, Result
from chat4all.model.clock import now_ms
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.workspaces import workspace_of
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.broadcasts.steps import BroadcastSteps
from chat4all.services.workspaces.naming import Naming
from chat4all.telemetry import logs, metrics
from chat4all.telemetry.instruments import Values
from tasks.background import Background
from tasks.resources import Parts

log = logs.logger(__name__)

# What a worker found longer ago than this is another's to tell.
FRESH_S = 15.0
# Between two steps, and for how long a thread takes them: the sweep wakes the next one.
BETWEEN_S, WORK_S = 0.2, 0.9


class BroadcastRunner:
    """This process's part in it."""

    def __init__(self, parts: Parts, live: LiveChannels, steps: BroadcastSteps | None = None) -> None:
        self._parts, self._live, self._steps = parts, live, steps
        self._acceptors: Acceptors | None = None
        self._background = Background("broadcasts")
        self._stalled, self._looked, self._has_run = 0.0, 0.0, False

    def sweep(self) -> threading.Thread | None:
        """Begin with what runs, unless that is under way. One read where nothing does."""
        running = self._parts.store.running_broadcasts()
        self._show(running)
        return self._background.begin(partial(self._run, running)) if running else None

    def stalled(self) -> Values:
        """For how long the one that stands still longest has not moved; nothing where others look."""
        return {(): self._stalled} if time.monotonic() - self._looked < FRESH_S else {}

    def _show(self, running: Sequence[Broadcast]) -> None:
        now = now_ms()
        self._looked = time.monotonic()
        self._stalled = max((now - each.moved_at for each in running), default=0) / 1000
        if running and not self._has_run:
            self._has_run = True
            metrics.BROADCASTS_STALLED.from_(self.stalled)

    def _run(self, running: Sequence[Broadcast]) -> None:
        ends = time.monotonic() + WORK_S
        while running:
            together = Counter(each.channel for each in running)
            for each in running:
                self._step(each, together[each.channel])
            if time.monotonic() + BETWEEN_S > ends:
                return
            time.sleep(BETWEEN_S)
            running = self._parts.store.running_broadcasts()

    def _step(self, broadcast: Broadcast, together: int) -> None:
        try:
            for each in self._taken(broadcast, together):
                metrics.BROADCAST_TURNS.of(each.outcome).add()
        except (Temporary, Unknown) as outage:
            log.warning("broadcast_waits", broadcast_id=broadcast.broadcast_id, reason=outage.reason)
        except Exception:
            # The others go on; this one shows in how long it stands still.
            log.exception("broadcast_failed", broadcast_id=broadcast.broadcast_id)

    def _taken(self, broadcast: Broadcast, together: int) -> Sequence[Result]:
        """What comes of a step, which its workspace takes."""
        if self._steps is not None:
            return self._steps.step(broadcast, together)
        if self._acceptors is None:
            parts = self._parts
            self._acceptors = Acceptors(parts.store, parts.log, parts.settings, self._live)
        workspace = workspace_of(broadcast.broadcast_id)
        steps = BroadcastSteps(self._acceptors.store(workspace), self._acceptors.of(workspace), workspace=workspace)
        return steps.step(cast("Broadcast", Naming(workspace).outward(broadcast)), together)
