"""Seals with the first key what was sealed with another: so that a key which is to go is needed by nothing any more."""

from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.failures import Permanent
from chat4all.ports import MessageStore
from chat4all.services.accounts.live import all_accounts, all_apps
from chat4all.services.seal import Seal
from chat4all.services.webhooks.endpoints import all_webhooks


class Resealed(Struct, frozen=True):
    """How many rows are sealed with the first key now that were not before, and the names of those that no key opens."""

    accounts: int
    apps: int
    webhooks: int
    unopened: tuple[str, ...] = ()


def reseal(store: MessageStore, seal: Seal) -> Resealed:
    """Of all accounts, apps and endpoints. May run beside everything else; again, it does what is left."""
    unopened: list[str] = []

    def done(names: Iterable[str], one: Callable[[str], bool]) -> int:
        found = 0
        for name in names:
            try:
                found += one(name)
            except Permanent:
                unopened.append(name)
        return found

    accounts = done([each.account_id for each in all_accounts(store)], lambda name: _account(store, seal, name))
    webhooks = done([each.webhook_id for each in all_webhooks(store)], lambda name: _webhook(store, seal, name))
    apps = done([each.app_id for each in all_apps(store)], lambda name: _app(store, seal, name))
    return Resealed(accounts, apps, webhooks, tuple(unopened))


def _account(store: MessageStore, seal: Seal, account_id: str) -> bool:
    """Whether it had to be. Who changes it meanwhile seals with the first key, too."""
    while True:
        seen = store.accounts_changed()
        row = store.account(account_id)
        if row is None or not row.sealed or seal.is_newest(row.sealed):
            return False
        if store.put_account(replace(row, sealed=seal.again(row.sealed)), seen):
            return True


def _app(store: MessageStore, seal: Seal, app_id: str) -> bool:
    while True:
        seen = store.accounts_changed()
        row = store.app(app_id)
        if row is None or seal.is_newest(row.sealed):
            return False
        if store.put_app(replace(row, sealed=seal.again(row.sealed)), seen):
            return True


def _webhook(store: MessageStore, seal: Seal, webhook_id: str) -> bool:
    while True:
        row = store.webhook(webhook_id)
        if row is None or not row.sealed or seal.is_newest(row.sealed):
            return False
        if store.put_webhook(replace(row, sealed=seal.again(row.sealed), version=row.version + 1, changed_at=now_ms())):
            return True
