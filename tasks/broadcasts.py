"""Several times a second each broadcast that runs takes a step, in a thread of its own: so what it says comes evenly.

What became of one is told, and what a stopped one had not yet sent is withdrawn, by the same thread.
"""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import cast

from msgspec.structs import replace

from chat4all.model.broadcasts import ACCEPTED, RUNNING, Broadcast, Result
from chat4all.model.clock import now_ms
from chat4all.model.deliveries import BROADCAST_STOPPED, DeliveryKey, Withdrawn
from chat4all.model.events import encode
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.records import partition_of
from chat4all.model.slots import delivery_key, slots
from chat4all.model.workspaces import stored, workspace_of
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.broadcasts.broadcast_events import broadcast_event
from chat4all.services.broadcasts.daily_budget import all_broadcasts
from chat4all.services.broadcasts.steps import BroadcastSteps
from chat4all.services.withdrawals import withdraw
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
APPEND_S = 5.0
# So many results are looked at in one step for what is to be withdrawn.
WITHDRAW_AT_ONCE = 500
# What was accepted is stored in less; what is not by then never will be.
STORED_MS = 60_000
# What does not run is read again after so long.
RESTING_S = 60.0
# No step takes longer.
STEP_MOST_MS = 5_000


class BroadcastRunner:
    """This process's part in it."""

    def __init__(self, parts: Parts, live: LiveChannels, steps: BroadcastSteps | None = None) -> None:
        self._parts, self._live, self._steps = parts, live, steps
        self._acceptors: Acceptors | None = None
        self._background = Background("broadcasts")
        self._stalled, self._looked, self._has_run = 0.0, 0.0, False
        # Those that do not run, but spent of a daily budget; when that was read, and which ones ran then.
        self._resting: list[Broadcast] = []
        self._resting_at, self._beside_them = 0.0, frozenset[str]()

    def sweep(self) -> threading.Thread | None:
        """Begin with what there is to do, unless that is under way. One read where there is nothing."""
        found = self._parts.store.running_broadcasts()
        self._show([each for each in found if each.state == RUNNING])
        return self._background.begin(partial(self._run, found)) if found else None

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

    def _run(self, found: Sequence[Broadcast]) -> None:
        ends = time.monotonic() + WORK_S
        while found:
            together = Counter(each.channel for each in found if each.state == RUNNING)
            for each in found:
                self._look_at(each, together[each.channel])
            if time.monotonic() + BETWEEN_S > ends:
                return
            time.sleep(BETWEEN_S)
            found = self._parts.store.running_broadcasts()

    def _look_at(self, broadcast: Broadcast, together: int) -> None:
        try:
            if broadcast.state == RUNNING:
                for each in self._taken(broadcast, together):
                    metrics.BROADCAST_TURNS.of(each.outcome).add()
            elif broadcast.withdrawing:
                self._withdraw(broadcast)
            self._tell(broadcast.broadcast_id)
        except (Temporary, Unknown) as outage:
            log.warning("broadcast_waits", broadcast_id=broadcast.broadcast_id, reason=outage.reason)
        except Exception:
            # The others go on; this one shows in how long it stands still.
            log.exception("broadcast_failed", broadcast_id=broadcast.broadcast_id)

    def _tell(self, broadcast_id: str) -> None:
        """Publish how far it has come, where that is due, then note that. Who died in between publishes it again."""
        there = self._parts.store.broadcast(broadcast_id)
        if there and there.untold:
            now = now_ms()
            self._parts.log.append([encode(broadcast_event(there, self._parts.partitions, now))], APPEND_S)
            self._parts.store.put_broadcast(replace(there, version=there.version + 1, untold=False, told_at=now))

    def _withdraw(self, broadcast: Broadcast) -> None:
        """Keep the next of what was accepted from being sent, where it is not yet."""
        store, now = self._parts.store, now_ms()
        if broadcast.withdrawing == 1 and now - broadcast.ended_at < STEP_MOST_MS:
            return
        some = store.results(broadcast.broadcast_id, WITHDRAW_AT_ONCE, broadcast.withdrawn_to)
        accepted = [each for each in some if each.outcome == ACCEPTED]
        keys = self._keys(workspace_of(broadcast.broadcast_id), accepted, now - broadcast.ended_at > STORED_MS)
        if keys is None:
            return
        known = store.deliveries(keys)
        already = store.withdrawn(keys)
        open_ = [each for each in keys if each not in already and not (each in known and known[each].facts.ended)]
        withdraw(store, open_, Withdrawn(now, BROADCAST_STOPPED, broadcast.broadcast_id))
        is_last = len(some) < WITHDRAW_AT_ONCE
        moved = replace(
            broadcast,
            version=broadcast.version + 1,
            withdrawn=broadcast.withdrawn + len(open_),
            withdrawn_to="" if is_last else some[-1].turn,
            withdrawing=broadcast.withdrawing - is_last,
            untold=broadcast.untold or is_last,
        )
        store.put_broadcast(moved)

    def _keys(self, workspace: str, accepted: Sequence[Result], is_late: bool) -> list[DeliveryKey] | None:
        """The deliveries of these; None while one of them is not stored yet, unless it is too late for that."""
        store = self._parts.store
        places = [(stored(workspace, each.conversation_id), each.message_id) for each in accepted]
        registered = store.registered(places)
        messages = store.messages([(each.conversation_id, each.seq) for each in registered.values()])
        if len(messages) < len(accepted) and not is_late:
            return None
        return [
            delivery_key(message, slot, partition_of(message.conversation_id, self._parts.partitions))
            for message in messages.values()
            for slot in slots(message)
        ]

    def _taken(self, broadcast: Broadcast, together: int) -> Sequence[Result]:
        """What comes of a step, which its workspace takes."""
        naming = Naming(workspace_of(broadcast.broadcast_id))
        others = lambda: [cast("Broadcast", naming.outward(each)) for each in self._others(broadcast)]  # noqa: E731
        if self._steps is not None:
            return self._steps.step(broadcast, together, others)
        if self._acceptors is None:
            parts = self._parts
            self._acceptors = Acceptors(parts.store, parts.log, parts.settings, self._live)
        workspace = workspace_of(broadcast.broadcast_id)
        steps = BroadcastSteps(self._acceptors.store(workspace), self._acceptors.of(workspace), workspace=workspace)
        return steps.step(cast("Broadcast", naming.outward(broadcast)), together, others)

    def _others(self, broadcast: Broadcast) -> list[Broadcast]:
        """All others of its workspace on its channel that may have spent of the same budget: what runs as it is now."""
        store = self._parts.store
        running = store.running_broadcasts()
        names = frozenset(each.broadcast_id for each in running)
        if names != self._beside_them or time.monotonic() - self._resting_at > RESTING_S:
            self._resting = [each for each in all_broadcasts(store) if each.spent and each.broadcast_id not in names]
            self._resting_at, self._beside_them = time.monotonic(), names
        here = broadcast.channel, workspace_of(broadcast.broadcast_id)
        found = [each for each in (*running, *self._resting) if (each.channel, workspace_of(each.broadcast_id)) == here]
        return [each for each in found if each.broadcast_id != broadcast.broadcast_id]
