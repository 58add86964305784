"""Changes of accounts: what readers are told of them is noted with the change itself, and told by a worker after it."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from chat4all.model.account_health import NOTED, RENEWED, advice, at_of
from chat4all.model.events import Event, encode
from chat4all.model.ids import account_event_id
from chat4all.model.records import partition_of
from chat4all.ports import ConnectedAccount, EventLog, MessageStore
from chat4all.services.accounts.live import all_accounts
from chat4all.services.workspaces.scoped_log import scoped_log
from chat4all.v1 import chat_pb2 as pb

UPDATED, HEALTH_CHANGED = "updated", "health_changed"
# How far the changes of accounts have been told, in place of a topic of the log.
PUBLISHED = "account-changes"
# Notes that say nothing of how an account is.
UNSAID = frozenset({NOTED, RENEWED})


def put(store: MessageStore, old: ConnectedAccount | None, new: ConnectedAccount, seen: int) -> bool:
    """As `Accounts.put_account`; what is news for readers is told later, whatever becomes of this process."""
    version = seen + 1
    if old is None or _settings(old) != _settings(new):
        new = replace(new, changed_version=version)
    if _health(new) != (_health(old) if old else {}):
        new = replace(new, health_version=version)
    return store.put_account(new, seen)


def _settings(account: ConnectedAccount) -> tuple[Any, ...]:
    return account.name, account.state, account.reason, account.limits, account.sealed, account.app_id, account.features


def _health(account: ConnectedAccount) -> dict[str, str]:
    return {name: text for name, text in sorted(account.health.items()) if name not in UNSAID}


def tell(store: MessageStore, log: EventLog, partitions: int, timeout_s: float) -> int:
    """Tell what was not told yet, in the order of the changes; the number of the newest change. Raises as store and log do.

    Of several changes of one account the newest is told. Who runs this again, or at the same time, tells the same events.
    """
    number = store.accounts_changed()
    published = store.progress(PUBLISHED).get(0)
    done = published.done if published else 0
    if number <= done:
        return number
    for account, changes in _untold(list(all_accounts(store)), done, number):
        events = [account_event(account, each, partitions) for each in changes]
        scoped_log(log, account.workspace).append([encode(each) for each in events], timeout_s)
    store.raise_progress(PUBLISHED, {0: number})
    return number


def _untold(rows: Sequence[ConnectedAccount], done: int, number: int) -> Iterator[tuple[ConnectedAccount, list[str]]]:
    """What came after `done`, up to `number`: of what is newer others may be missing here that came before it."""
    for each in sorted(rows, key=lambda each: max(each.changed_version, each.health_version)):
        versions = ((each.changed_version, UPDATED), (each.health_version, HEALTH_CHANGED))
        changes = [change for version, change in versions if done < version <= number]
        if changes:
            yield each, changes


def account_event(account: ConnectedAccount, change: str, partitions: int) -> Event:
    """An account as it is since this change. The same however often it is told."""
    version = account.changed_version if change == UPDATED else account.health_version
    at = max(account.changed_at, at_of(account.health, NOTED))
    said = pb.AccountEvent(
        account_id=account.account_id,
        change=change,
        account_version=version,
        channel=account.channel,
        provider_account_id=account.provider_account_id,
        name=account.name,
        state=account.state,
        reason=account.reason,
        health=_health(account),
        advice=[each.code for each in advice(account.state, account.reason, account.health, at)],
    )
    event_id = account_event_id(account.account_id, version, change)
    body = pb.Event(event_id=event_id, at_ms=at, account=said).SerializeToString(deterministic=True)
    partition = partition_of(account.account_id, partitions)
    return Event("account", "", partition, body, subject=account.account_id, rank=version)
