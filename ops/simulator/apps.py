"""Apps of Meta's providers: an app's secret signs what its accounts are told, and a portfolio has ids of its own for people."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from msgspec import Struct

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# So many people are known at once; the rest are reckoned anew, and come to the same.
KNOWN = 1 << 14


class SimulatedApp(Struct, forbid_unknown_fields=True, frozen=True):
    """One app. `url`: where its webhooks go, on this machine; empty: to the gateway's address of the channel.

    `portfolio`: the business that its accounts are of; empty: the one that accounts without an app are of.
    """

    app_id: str
    app_secret: str
    accounts: tuple[str, ...]
    url: str = ""
    portfolio: str = ""


class Apps:
    """Those of one provider. Accounts that no app names are of the first, which the settings have the secret of."""

    def __init__(self) -> None:
        self._by_account: dict[str, SimulatedApp] = {}
        self.all: tuple[SimulatedApp, ...] = ()

    def set(self, apps: Sequence[SimulatedApp]) -> None:
        """From now on there are these. ValueError when an account has two, or a webhook would leave this machine."""
        owners: dict[str, SimulatedApp] = {}
        for each in apps:
            if each.url and urlsplit(each.url).hostname not in LOOPBACK:
                raise ValueError(f"{each.app_id}: its url is not on this machine")
            for account in each.accounts:
                if account in owners:
                    raise ValueError(f"{account} is an account of {owners[account].app_id} already")
                owners[account] = each
        self._by_account, self.all = owners, tuple(apps)

    def of(self, account: str) -> SimulatedApp | None:
        """The app of this account; None: the first."""
        return self._by_account.get(account)

    def portfolio(self, account: str) -> str:
        """Whose ids people have at this account."""
        app = self._by_account.get(account)
        return app.portfolio if app else ""


@lru_cache(KNOWN)
def user_id(number: str, portfolio: str = "") -> str:
    """The business-scoped id of whoever has this number ("+<digits>"): the same each time, and another in each portfolio."""
    return f"US.{int(hashlib.sha256(f'{portfolio}{number}'.encode()).hexdigest()[:13], 16):016d}"
