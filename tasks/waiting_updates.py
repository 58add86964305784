"""Once a second: what providers told and what waits for something to be known is looked at, in a thread of its own.

Two processes may look at the same at a time: what both accept is one message, by its id.
"""

import threading
import time
from collections.abc import Sequence
from functools import partial

import msgspec

from chat4all.model.clock import now_ms
from chat4all.model.records import INCOMING
from chat4all.ports import Deferred
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.inbound.arrivals_by_workspace import ArrivalsByWorkspace
from chat4all.services.inbound.intake import Arrivals
from chat4all.services.inbound.webhooks import OUTAGES, UNREADABLE, letter
from chat4all.telemetry import logs, metrics
from chat4all.telemetry.instruments import Values
from tasks.background import Background
from tasks.resources import Parts
from tasks.tidying import done_before

log = logs.logger(__name__)

AT_ONCE = 500
# What a worker found longer ago than this is another's to tell.
FRESH_S = 15.0


class WaitingUpdates:
    """This process's part in it."""

    def __init__(self, parts: Parts, live: LiveChannels, arrivals: Arrivals | None = None) -> None:
        self._parts, self._live = parts, live
        self._arrivals: Arrivals | ArrivalsByWorkspace | None = arrivals
        self._background = Background("waiting-updates")
        self._behind, self._looked, self._began = 0.0, 0.0, time.monotonic()

    def sweep(self) -> threading.Thread | None:
        """Begin with what is due, unless that is under way. One read where nothing is."""
        now = now_ms()
        if not self._looked:
            metrics.DEFERRED_BEHIND.from_(self.behind)
        try:
            due = self._parts.store.deferred(now, AT_ONCE)
        except Exception:
            # Whatever the reason is, nobody looks.
            self._looked = time.monotonic()
            self._behind = self._looked - self._began
            raise
        self._began = self._looked = time.monotonic()
        self._behind = (now - due[0].look_at) / 1000 if due else 0.0
        return self._background.begin(partial(self._run, due, now)) if due else None

    def behind(self) -> Values:
        """For how long what is due first has been due; nothing where others look."""
        return {(): max(0.0, self._behind)} if time.monotonic() - self._looked < FRESH_S else {}

    def _run(self, due: Sequence[Deferred], now: int) -> None:
        try:
            self.look(due, now)
        except OUTAGES as outage:
            log.warning("updates_wait_on", reason=outage.reason)
        except Exception:
            log.exception("waiting_updates_failed")

    def look(self, due: Sequence[Deferred], now: int) -> None:
        """Look at these. Where they cannot be accepted together, each alone: who cannot be is set aside."""
        done_ms = done_before(self._parts, INCOMING, now)
        arrivals = self._opened()
        try:
            arrivals.look_again(due, now, done_ms)
        except OUTAGES:
            raise
        except Exception:
            log.exception("updates_failed", updates=len(due))
            for each in due:
                self._alone(arrivals, each, now, done_ms)

    def _alone(self, arrivals: Arrivals | ArrivalsByWorkspace, each: Deferred, now: int, done_ms: int) -> None:
        try:
            arrivals.look_again([each], now, done_ms)
        except OUTAGES:
            raise
        except Exception:
            update = each.update
            log.exception("update_set_aside", channel=update.channel, kind=each.why)
            body = msgspec.json.encode(update)
            about = letter(update.channel, body, UNREADABLE, "not_accepted", update.account)
            self._parts.store.keep_webhooks([(about, body)])
            metrics.DEAD_LETTERS.of_reason(about.stage, about.reason).add()
            metrics.DEFERRED_ENDED.of(update.channel, "failed").add()
            self._parts.store.forget_deferred([each])

    def _opened(self) -> Arrivals | ArrivalsByWorkspace:
        """Made when it is first needed."""
        if self._arrivals is None:
            parts = self._parts
            acceptors = Acceptors(parts.store, parts.log, parts.settings, self._live)
            self._arrivals = ArrivalsByWorkspace(acceptors)
        return self._arrivals
