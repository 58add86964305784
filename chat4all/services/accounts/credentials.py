"""Credentials of accounts and of their apps: sealed in the store, and opened for nobody but their channel."""

from chat4all.ports import ConnectedAccount, ProviderApp
from chat4all.redaction import know
from chat4all.services.seal import Seal


def opened(seal: Seal, kept: ConnectedAccount | ProviderApp) -> dict[str, str]:
    """What it has itself, which is said nowhere from now on. Permanent `sealed` when no key opens it."""
    given = seal.open(kept.sealed, dict[str, str])
    told_nowhere(given)
    return given


def whole(seal: Seal, account: ConnectedAccount, app: ProviderApp | None) -> dict[str, str]:
    """All that the account is opened with: what its app has counts before its own. As `opened`."""
    return (opened(seal, account) if account.sealed else {}) | (opened(seal, app) if app else {})


def told_nowhere(given: dict[str, str]) -> None:
    """From now on these are in no log and no error."""
    know(*(value for name, value in given.items() if not name.endswith("_id")))
