"""Looks after connected accounts: asks their providers once a day, renews tokens that end, forgets what is kept in vain."""

import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial

from msgspec.structs import replace

from chat4all.model.account_health import (
    NOT_SUSPENDED,
    RENEWED,
    SUSPENDED,
    SUSPENDED_UNTIL,
    UNTIL,
    AccountNews,
    at_of,
    suspended_for,
)
from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.failures import Failure
from chat4all.ports import ConnectedAccount
from chat4all.services.accounts.live import LiveChannels, all_accounts
from chat4all.services.accounts.news import take
from chat4all.services.accounts.registry import AccountRegistry
from chat4all.services.refusals import NoSuch, Wrong
from chat4all.settings import SettingsError
from chat4all.telemetry import logs, metrics
from chat4all.telemetry.instruments import Values
from tasks.background import Background
from tasks.resources import Parts

log = logs.logger(__name__)

LOOK_S = 60.0
CHECK_EVERY_MS = DAY_MS
# Providers renew a token once it is a day old; it is good for 60 then, so that many days may fail.
RENEW_EVERY_MS = 7 * DAY_MS
OLD_ENOUGH_MS = DAY_MS + DAY_MS // 24
# So long providers tell what became of a message.
TOLD_MS = 30 * DAY_MS


class AccountCare:
    """This process's part in it. Two processes may do it at a time: then a provider is asked twice."""

    def __init__(self, parts: Parts, live: LiveChannels, registry: AccountRegistry | None = None) -> None:
        self._parts = parts
        self._registry = registry or AccountRegistry(parts.settings, parts.store, live)
        self._background = Background("account-care")
        self._looked = -LOOK_S
        self._seen, self._rows = 0, list[ConnectedAccount]()
        metrics.ACCOUNTS_REFUSED.from_(self._refused)
        metrics.ACCOUNTS_SUSPENDED.from_(self._suspended)
        metrics.ACCOUNT_TOKEN_ENDS.from_(self._ends)

    def sweep(self) -> threading.Thread | None:
        """Begin, in a thread, where something is due. One small read where no account has changed."""
        if time.monotonic() - self._looked < LOOK_S:
            return None
        self._looked = time.monotonic()
        number = self._parts.store.accounts_changed()
        if number != self._seen:
            self._rows, self._seen = list(all_accounts(self._parts.store)), number
        due = [each for each in self._rows if _is_due(each, now_ms())]
        return self._background.begin(partial(self._run, due)) if due else None

    def _run(self, due: Sequence[ConnectedAccount]) -> None:
        for each in due:
            try:
                self._look_after(each, now_ms())
            except (Failure, NoSuch, Wrong, SettingsError) as failure:
                log.warning("account_not_looked_after", account_id=each.account_id, channel=each.channel, error=str(failure))
            except Exception:
                log.exception("account_care_failed", account_id=each.account_id)

    def _look_after(self, account: ConnectedAccount, now: int) -> None:
        if account.state == "removed":
            self._forget(account)
            return
        if _was_suspended(account, now):
            take(self._parts.store, [account.account_id], [AccountNews(account.channel, NOT_SUSPENDED)])
        if _wants_renewal(account, now) and self._registry.renew(account.account_id):
            log.info("account_renewed", account_id=account.account_id, channel=account.channel)
        if now - account.checked_at >= CHECK_EVERY_MS:
            self._registry.check(account.account_id)

    def _forget(self, account: ConnectedAccount) -> None:
        seen = self._parts.store.accounts_changed()
        there = self._parts.store.account(account.account_id)
        if there and there.state == "removed":
            self._parts.store.put_account(replace(there, sealed=b""), seen)

    def _refused(self) -> Values:
        found: dict[tuple[str, ...], float] = {(each.channel,): 0.0 for each in self._used()}
        for each in self._used():
            found[each.channel,] += each.state == "failing"
        return found

    def _suspended(self) -> Values:
        now = now_ms()
        found: dict[tuple[str, ...], float] = {(each.channel,): 0.0 for each in self._used()}
        for each in self._used():
            found[each.channel,] += bool(suspended_for(each.health, now))
        return found

    def _ends(self) -> Values:
        """In seconds, of the one that ends first."""
        now, found = now_ms(), dict[tuple[str, ...], float]()
        for each in self._used():
            if until := at_of(each.health, UNTIL):
                found[each.channel,] = min((until - now) / 1000, found.get((each.channel,), until))
        return found

    def _used(self) -> Iterator[ConnectedAccount]:
        return (each for each in self._rows if each.is_used)


def _is_due(account: ConnectedAccount, now: int) -> bool:
    if account.state == "removed":
        return bool(account.sealed) and now - account.changed_at > TOLD_MS
    is_due = now - account.checked_at >= CHECK_EVERY_MS or _was_suspended(account, now) or _wants_renewal(account, now)
    return account.is_used and is_due


def _was_suspended(account: ConnectedAccount, now: int) -> bool:
    """Whether it is sent from again, and readers were not told yet."""
    return SUSPENDED in account.health and at_of(account.health, SUSPENDED_UNTIL) <= now


def _wants_renewal(account: ConnectedAccount, now: int) -> bool:
    """Whether a provider that renews tokens is to be asked. An account that is new may have a token that is too young."""
    if account.channel != "instagram" or not account.is_used:
        return False
    renewed = at_of(account.health, RENEWED)
    return now - renewed >= RENEW_EVERY_MS if renewed else now - account.created_at >= OLD_ENOUGH_MS
