"""The sweep: once a second it finds lanes that have work and no holder, and wakes them.

While an endpoint of a webhook is enabled its lanes have work: each partition of chat-events has a holder then. That one was
disabled is said here, as nobody may hold a lane any more.
"""

import time
from collections import Counter
from collections.abc import Iterable

from chat4all.channels import CHANNELS
from chat4all.model.clock import now_ms
from chat4all.model.deliveries import Lane
from chat4all.model.failures import Temporary, Unknown
from chat4all.model.liveness import Clock, Observed
from chat4all.ports import WEBHOOKS, LaneState, Lease, MessageStore, Webhook
from chat4all.services.webhooks.disabling import announce
from chat4all.services.webhooks.endpoints import all_webhooks
from chat4all.telemetry import logs, metrics
from chat4all.telemetry.instruments import Values
from tasks.resources import Parts

log = logs.logger(__name__)

# A holder renews its lease every second (a fifth of `lease_s`, as delivered): one that did so a moment ago is left alone.
HOLDER_QUIET_S = 2.0
# A figure of a sweep that is older than this is another worker's to tell.
FRESH_S = 15.0
COUNTED_S = 10.0


class EnabledEndpoints:
    """Whether there is an endpoint to tell of events. While none was changed that is one small question."""

    def __init__(self) -> None:
        self._changed = -1
        self._found = False
        self._unsaid: list[Webhook] = []

    def are_there(self, store: MessageStore) -> bool:
        """Whether there is one now."""
        changed = store.webhooks_changed()
        if changed != self._changed:
            there = list(all_webhooks(store))
            self._found = any(each.status == "enabled" for each in there)
            self._unsaid, self._changed = [each for each in there if each.unsaid], changed
        return self._found

    def announce(self, opened: Parts) -> None:
        """Say of those seen last that they were disabled. While the log or the store is away the next sweep tries again."""
        while self._unsaid:
            try:
                announce(self._unsaid[-1], opened.store, opened.log, opened.partitions)
            except (Temporary, Unknown) as outage:
                log.warning("webhook_disabled_unsaid", webhook_id=self._unsaid[-1].webhook_id, reason=outage.reason)
                return
            self._unsaid.pop()


class Sweeper:
    """Remembers leases between sweeps, so that lanes whose holder beats are left alone."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._leases: dict[Lane, Observed[Lease]] = {}
        self._found: list[Lane] = []
        self._swept = 0.0
        self._waiting: tuple[float, Values] = (-COUNTED_S, {})
        self._holds = (-COUNTED_S, _none())
        self._endpoints = EnabledEndpoints()

    def stuck(self, states: dict[Lane, LaneState], due: set[Lane], has_endpoints: bool = False) -> list[Lane]:
        """Lanes with work that nobody seems to hold. Those of webhooks have no rows: endpoints are work."""
        found = []
        for lane, state in states.items():
            if lane.channel == WEBHOOKS and not has_endpoints:
                continue
            seen = self._leases.get(lane) or self._leases.setdefault(lane, Observed(self._clock))
            seen.look(state.lease)
            quiet = not state.lease.holder or seen.unchanged_s >= HOLDER_QUIET_S
            if quiet and (lane.channel == WEBHOOKS or state.fanned > state.cursor or lane in due):
                found.append(lane)
        return found

    def sweep(self, opened: Parts) -> None:
        """Wake what is stuck."""
        states = opened.store.lanes()
        has_endpoints = self._endpoints.are_there(opened.store)
        if has_endpoints:
            lanes = [Lane(WEBHOOKS, partition) for partition in range(opened.partitions)]
            states |= opened.store.lanes([each for each in lanes if each not in states])
        due = set(opened.store.due(list(states), now_ms())) | {each.key.lane for each in opened.store.openings()}
        self._found = self.stuck(states, due, has_endpoints)
        opened.waker.wake_lanes(self._found)
        self._endpoints.announce(opened)
        if not self._swept:
            metrics.LANES_STUCK.from_(self.found)
            metrics.RETRIES_WAITING.from_(lambda: self.waiting(opened))
            metrics.HELD_KEYS.from_(lambda: {(name,): number for name, (number, _) in self.holds(opened).items()})
            metrics.HELD_OLDEST.from_(lambda: {(name,): age_s for name, (_, age_s) in self.holds(opened).items()})
        self._swept = self._clock()
        metrics.SWEEPS.add()

    def found(self) -> Values:
        """How many lanes the last sweep found, by channel; nothing when others sweep."""
        if self._clock() - self._swept > FRESH_S:
            return {}
        return _by_channel(lane.channel for lane in self._found)

    def waiting(self, opened: Parts) -> Values:
        """How many keys wait, by channel. Counted every 10 s at most."""
        if self._clock() - self._waiting[0] >= COUNTED_S:
            counts = opened.store.waiting_counts(list(opened.store.lanes()))
            by_channel = dict.fromkeys(CHANNELS, 0)
            for lane, count in counts.items():
                by_channel[lane.channel] = by_channel.get(lane.channel, 0) + count
            self._waiting = (self._clock(), {(name,): count for name, count in by_channel.items()})
        return self._waiting[1]

    def holds(self, opened: Parts) -> dict[str, tuple[int, float]]:
        """By channel, how many keys are held, and for how many seconds the first of them is. Counted every 10 s at most."""
        if self._clock() - self._holds[0] >= COUNTED_S:
            now, counts = now_ms(), opened.store.held_counts(list(CHANNELS))
            ages = {name: (number, (now - since) / 1000) for name, (number, since) in counts.items()}
            self._holds = (self._clock(), _none() | ages)
        return self._holds[1]


def _none() -> dict[str, tuple[int, float]]:
    return dict.fromkeys(CHANNELS, (0, 0.0))


def _by_channel(names: Iterable[str]) -> Values:
    counted = Counter(names)
    return {(name,): counted[name] for name in {*CHANNELS, *counted}}
