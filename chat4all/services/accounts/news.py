"""Keeps with accounts what their provider says of them."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from chat4all.model.account_health import AccountNews, Notes, noted
from chat4all.model.clock import now_ms
from chat4all.ports import MessageStore
from chat4all.services.accounts.changes import put


def take(store: MessageStore, account_ids: Iterable[str], news: Sequence[AccountNews]) -> None:
    """Note what is about these accounts. Temporary or Unknown: it must be brought again; the same again changes nothing."""
    for account_id in account_ids:
        for each in news:
            _note(store, account_id, each)


def _note(store: MessageStore, account_id: str, news: AccountNews) -> None:
    while True:
        seen = store.accounts_changed()
        row = store.account(account_id)
        if row is None or not row.is_used or not news.concerns(row.health):
            return
        health: Notes = noted(row.health, news.notes, now_ms())
        if health == row.health or put(store, row, replace(row, health=health), seen):
            return
