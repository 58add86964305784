"""Part of the message store: accounts at providers that were connected while the service runs, and the apps that they are of.

They are few and seldom change, so all of them have one number, which every change raises: whoever changes one says which number
it had seen, and so decides on what all of them were.
"""

from abc import ABC, abstractmethod

from msgspec import Struct

from chat4all.model.ids import DEFAULT_WORKSPACE

# A feature that a provider may grant an app: what people write may go after the window.
HUMAN_AGENT = "human_agent"


class AccountLimits(Struct, frozen=True, omit_defaults=True):
    """What an account is to keep to; 0: as its channel has it. All processes together send `messages_per_second`; each has
    `calls_in_flight` calls under way at a time. Its broadcasts write to `people_per_day` within a day.
    """

    messages_per_second: float = 0
    calls_in_flight: int = 0
    people_per_day: int = 0


class ProviderApp(Struct, frozen=True, omit_defaults=True):
    """An app at a provider that was made known through the API: one secret signs the webhooks of all its accounts.

    `app_id` is ours. `sealed`: its secret and its verify token, by the names of its channel's credentials. Times are ms UTC.
    """

    app_id: str
    channel: str
    name: str = ""
    sealed: bytes = b""
    workspace: str = DEFAULT_WORKSPACE
    created_at: int = 0
    changed_at: int = 0
    created_by: str = ""


class ConnectedAccount(Struct, frozen=True, omit_defaults=True):
    """A number, page or bot that was connected through the API. What the environment connects has no row.

    `account_id` is ours, `provider_account_id` the provider's. `sealed`: its credentials, which nobody but its channel opens
    (chat4all/services/accounts/credentials.py). `state`: connecting (the provider has not confirmed the credentials yet; it is
    not used), active, failing (it refused them when it was asked last; it is used all the same), paused, or removed, whose
    credentials are gone. `reason`: why it is failing. Times are ms UTC; `checked_at`: when it was asked last, 0 for never;
    `claimed_at`: when it had been given all that came for it before it was ours, 0 for not yet. `health`: what the provider
    says of it, by name (chat4all/model/account_health.py). `app_id`: the app that has the rest of its credentials; empty: it
    has all of them itself. `features`: what the provider granted its app, as its owner says. `changed_version`,
    `health_version`: the numbers of the changes by which its settings and its health became what they are
    (chat4all/services/accounts/changes.py).
    """

    account_id: str
    channel: str
    provider_account_id: str
    name: str = ""
    sealed: bytes = b""
    state: str = "connecting"
    reason: str = ""
    workspace: str = DEFAULT_WORKSPACE
    created_at: int = 0
    changed_at: int = 0
    created_by: str = ""
    checked_at: int = 0
    claimed_at: int = 0
    changed_version: int = 0
    health_version: int = 0
    limits: AccountLimits = AccountLimits()
    health: dict[str, str] = {}
    app_id: str = ""
    features: tuple[str, ...] = ()

    @property
    def is_used(self) -> bool:
        """Whether its channel sends from it, or would if it were not paused."""
        return self.state in {"active", "failing", "paused"}


class Accounts(ABC):
    """Connected accounts, the removed ones too, and apps."""

    @abstractmethod
    def put_account(self, account: ConnectedAccount, seen: int) -> bool:
        """Keep it, if nothing has changed since `accounts_changed` gave this number. Whether it was. Compare-and-set."""

    @abstractmethod
    def account(self, account_id: str) -> ConnectedAccount | None:
        """It, also when it is removed."""

    @abstractmethod
    def accounts(self, limit: int, after: str = "") -> list[ConnectedAccount]:
        """All of them by account_id, beginning after that one."""

    @abstractmethod
    def accounts_changed(self) -> int:
        """The number that each change of any account or app raises; 0 before the first. Cheap: asked every second."""

    @abstractmethod
    def put_app(self, app: ProviderApp, seen: int) -> bool:
        """As `put_account`."""

    @abstractmethod
    def remove_app(self, app_id: str, seen: int) -> bool:
        """Forget it, as `put_account`: so no account has come to name it meanwhile. Whether it was, or never was there."""

    @abstractmethod
    def app(self, app_id: str) -> ProviderApp | None:
        """It."""

    @abstractmethod
    def apps(self, limit: int, after: str = "") -> list[ProviderApp]:
        """All of them by app_id, beginning after that one."""
