"""Sends on what providers bring, as it was, to endpoints that ask for it by name. Where none asks nothing is written."""

import time
from collections.abc import Collection, Mapping, Sequence

from chat4all.model.clock import now_ms
from chat4all.model.event_types import PROVIDER
from chat4all.model.events import encode
from chat4all.model.forwarded import JSON, ProviderCall, forwarded_event
from chat4all.ports import Channel, EventLog, MessageStore
from chat4all.services.webhooks.endpoints import all_webhooks
from chat4all.settings import Settings
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)

APPEND_S = 5.0
# How soon an endpoint that asks for it is known.
LOOK_S = 1.0


class Forwarding:
    """One per process; every method may be called from many threads. While nothing changes it asks one small thing a second."""

    def __init__(self, settings: Settings, store: MessageStore, log: EventLog) -> None:
        self._settings, self._store, self._log = settings, store, log
        self._looked, self._changed, self._is_wanted = -LOOK_S, -1, False

    def forward(
        self,
        channel: Channel,
        bodies: Sequence[bytes],
        headers: Mapping[str, str] | None = None,
        others: Collection[str] = (),
    ) -> None:
        """Make these durable for whoever asks for them: verified calls of a provider, with lower-case names of headers.

        `others`: further accounts of the app that signed them.

        Temporary or Unknown: they must be brought again; they have the same ids then.
        """
        if not self.is_wanted():
            return
        kept = {name: value for name, value in (headers or {}).items() if name in channel.forwarded_headers}
        account, shown = channel.account.account_id, {"content-type": JSON} | kept
        more = tuple(sorted(set(others) - {account}))
        calls = [ProviderCall(channel.name, account, shown, body, more) for body in bodies]
        events = [forwarded_event(each, now_ms(), self._settings.partitions) for each in calls]
        said = [encode(each) for each in events if each]
        if said:
            self._log.append(said, APPEND_S)
        if len(said) < len(events):
            metrics.PROVIDER_UPDATES.of(channel.name, "not_forwarded").add(len(events) - len(said))
            log.warning("webhook_not_forwarded", channel=channel.name, bytes=max(map(len, bodies)), why="too large")

    def is_wanted(self) -> bool:
        """Whether an enabled endpoint asks for it."""
        now = time.monotonic()
        if now - self._looked >= LOOK_S:
            changed = self._store.webhooks_changed()
            if changed != self._changed:
                self._is_wanted = any(
                    each.status == "enabled" and PROVIDER in each.events for each in all_webhooks(self._store)
                )
                self._changed = changed
            self._looked = now
        return self._is_wanted
