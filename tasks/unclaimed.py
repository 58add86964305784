"""Gives accounts what came for them before they were ours: webhooks that one of our apps had signed were kept.

An account gets them only once the provider has confirmed that its credentials are of that account: else whoever adds a
stranger's number would be given what the stranger's customers wrote. Two processes may do it at a time: what both accept is one
message.
"""

import threading
import time
from functools import partial

from msgspec.structs import replace

from chat4all.model.clock import DAY_MS, now_ms
from chat4all.ports import ConnectedAccount
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.accounts.live import InForce, LiveChannels
from chat4all.services.dead_letters import Wanted, scan
from chat4all.services.inbound.arrivals_by_workspace import ArrivalsByWorkspace
from chat4all.services.inbound.webhooks import OUTAGES, UNCLAIMED, Webhooks
from chat4all.telemetry import logs
from tasks.background import Background
from tasks.resources import Parts

log = logs.logger(__name__)

# Providers repeat a webhook for so long; what is older than that nobody answers any more.
DAYS = 7
# By then every gateway knows of an account, and takes what comes for it.
KNOWN_MS = 10_000
# How often to look for accounts that have not been given what came.
LOOK_S = 5.0


class Claims:
    """This process's part in it."""

    def __init__(self, parts: Parts, live: LiveChannels, webhooks: Webhooks | None = None) -> None:
        self._parts, self._live, self._webhooks = parts, live, webhooks
        self._background = Background("unclaimed")
        self._looked = -LOOK_S
        self._once: set[str] = set()

    def sweep(self) -> threading.Thread | None:
        """Begin, in a thread, where an account has not been given all. One small read where there is none."""
        if time.monotonic() - self._looked < LOOK_S:
            return None
        self._looked = time.monotonic()
        # Nobody begins to watch accounts where none was ever connected.
        new = self._new(now_ms()) if self._parts.store.accounts_changed() else []
        return self._background.begin(partial(self._run, new)) if new else None

    def _new(self, now: int) -> list[tuple[InForce, ConnectedAccount]]:
        """Those that are not done: looked at once at once, and once more when nothing can come for nobody any more."""
        used = [each for name in self._live for each in self._live.used(name)]
        return [
            (each, each.account)
            for each in used
            if each.account
            and not each.account.claimed_at
            and (each.account_id not in self._once or now - each.account.changed_at > KNOWN_MS)
        ]

    def _run(self, new: list[tuple[InForce, ConnectedAccount]]) -> None:
        try:
            for each, account in new:
                self._give(each, account, now_ms())
        except OUTAGES as outage:
            log.warning("unclaimed_wait_on", reason=outage.reason)
        except Exception:
            log.exception("unclaimed_failed")

    def _give(self, each: InForce, account: ConnectedAccount, now: int) -> None:
        wanted = Wanted(now - DAYS * DAY_MS, now + 1, account.channel, stage=UNCLAIMED)
        letters = (letter for letter in scan(self._parts.store, wanted.since, wanted.until) if wanted.has(letter))
        for letter in letters:
            if letter.account == account.provider_account_id:
                self._take(each, letter.letter_id)
        if now - account.changed_at > KNOWN_MS:
            seen = self._parts.store.accounts_changed()
            there = self._parts.store.account(account.account_id)
            if there and there.is_used:
                self._parts.store.put_account(replace(there, claimed_at=now), seen)
        self._once.add(account.account_id)

    def _take(self, each: InForce, letter_id: str) -> None:
        handled = self._taker().again(each.channel, letter_id)
        if handled is None:
            return
        log.info("unclaimed_given", account_id=each.account_id, messages=handled.messages, receipts=handled.receipts)
        for file_id in handled.files:
            self._parts.waker.wake_file("fetch_media", file_id)

    def _taker(self) -> Webhooks:
        """Made when it is first needed."""
        if self._webhooks is None:
            parts = self._parts
            acceptors = Acceptors(parts.store, parts.log, parts.settings, self._live)
            self._webhooks = Webhooks(parts.store, ArrivalsByWorkspace(acceptors))
        return self._webhooks
