"""Keeps with accounts what their provider says of them, and for how long it takes nothing from them."""

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from chat4all.model.account_health import AccountNews, Notes, noted, suspended
from chat4all.model.clock import now_ms
from chat4all.ports import MessageStore
from chat4all.services.accounts.changes import put


def take(store: MessageStore, account_ids: Iterable[str], news: Sequence[AccountNews]) -> None:
    """Note what is about these accounts. Temporary or Unknown: it must be brought again; the same again changes nothing."""
    for account_id in account_ids:
        for each in news:
            _note(store, account_id, each)


def suspend(store: MessageStore, account_id: str, reason: str, at: int) -> None:
    """Send nothing from this account for some time: its provider refused a message for one of SUSPENDS_ACCOUNT, then (ms UTC).

    In force in every process within two seconds. Temporary or Unknown as the store; the same again changes nothing.
    """
    _change(store, account_id, lambda before: suspended(before, reason, at, now_ms()))


def _note(store: MessageStore, account_id: str, news: AccountNews) -> None:
    _change(store, account_id, lambda before: noted(before, news.notes, now_ms()) if news.concerns(before) else before)


def _change(store: MessageStore, account_id: str, change: Callable[[Notes], Notes]) -> None:
    while True:
        seen = store.accounts_changed()
        row = store.account(account_id)
        if row is None or not row.is_used:
            return
        health = dict(change(row.health))
        if health == row.health or put(store, row, replace(row, health=health), seen):
            return
