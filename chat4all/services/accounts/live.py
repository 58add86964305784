"""The channels with the accounts that are in force, as one process knows them: it asks the store once a second for changes.

A channel has the environment's account, if that is real, and those that were connected; while there is none of these it has
the simulator's. The first of them is its default. What is being sent when an account changes is finished with what it was begun
with.
"""

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property

from msgspec import Struct

from chat4all.channels import CHANNELS, open_channel, own_settings
from chat4all.channels.account_settings import WrongCredentials
from chat4all.model.account_health import suspended_for
from chat4all.model.clock import now_ms
from chat4all.model.failures import Permanent, Temporary, Unknown
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.ports import Channel, ConnectedAccount, MessageStore, ProviderApp
from chat4all.services.accounts.credentials import opened, whole
from chat4all.services.seal import Seal
from chat4all.services.watching import Watch
from chat4all.settings import Settings, SettingsError
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)

# A change is in force everywhere within two seconds.
EVERY_S = 1.0
PAGE = 200

NOTHING: Mapping[str, str] = {}
# What no provider calls an account.
NOWHERE = "0"
PAUSED, SEALED, REMOVED, UNKNOWN = "account_paused", "account_sealed", "account_removed", "account_unknown"


class InForce(Struct, frozen=True):
    """A channel with one account; None: the environment's. `stopped_by`: why nothing is sent from it.

    `app`: the one that the account names; without an account it is of that app alone, and of no account at all.
    """

    channel: Channel
    account: ConnectedAccount | None = None
    stopped_by: str = ""
    app: ProviderApp | None = None

    @property
    def workspace(self) -> str:
        """Whose it is."""
        return self.account.workspace if self.account else self.app.workspace if self.app else DEFAULT_WORKSPACE

    @property
    def account_id(self) -> str:
        """Ours, as messages name it; empty: the environment's."""
        return self.account.account_id if self.account else ""

    @property
    def provider_account_id(self) -> str:
        """The provider's."""
        return self.account.provider_account_id if self.account else self.channel.account.account_id

    @property
    def suspended_for(self) -> str:
        """Why nothing is sent from it now: what stops it, or what its provider refused messages for a short time ago."""
        if self.stopped_by or self.account is None or not self.account.health:
            return self.stopped_by
        return suspended_for(self.account.health, now_ms())

    @property
    def is_gone(self) -> bool:
        """Whether it was removed, and its webhooks can still be verified."""
        return self.stopped_by == REMOVED and self.account is not None and bool(self.account.sealed)

    @property
    def is_confirmed(self) -> bool:
        """Whether the provider has confirmed its credentials: until then anybody may have made them up."""
        return self.account is None or self.account.state != "connecting"


class OfApp(Struct, frozen=True):
    """The accounts whose webhooks one app signs, as they were at once. `signer`: one of them, to verify that, or the app alone.

    `used`: the channel with each that is used, by the provider's id. `gone`: ids of those that were used. What becomes of
    messages is true of these too, and what people write to them is for nobody.
    """

    signer: InForce
    used: dict[str, Channel]
    gone: frozenset[str] = frozenset()

    @property
    def channel(self) -> Channel:
        """With the signer's account."""
        return self.signer.channel

    @property
    def is_alone(self) -> bool:
        """Whether the app is known, and nobody has an account of it yet: what it signs is told to nobody."""
        return self.signer.app is not None and self.signer.account is None and not self.used


class OfChannel:
    """All accounts that a channel has, the default first, and how they are found among many.

    `gone`: accounts that were used, of which providers still tell what became of messages. What is in use comes first.
    `alone`: apps, of which some may have no account yet.
    """

    def __init__(self, used: list[InForce], gone: list[InForce], alone: Iterable[InForce] = ()) -> None:
        self.used = used
        self.by_provider = {each.provider_account_id: each for each in reversed(used)}
        apps: dict[str, list[InForce]] = {}
        for each in [*used, *(each for each in gone if each.provider_account_id not in self.by_provider), *alone]:
            apps.setdefault(each.channel.app, []).append(each)
        self.apps = {app: self._of_app(some) for app, some in apps.items()}

    def _of_app(self, some: list[InForce]) -> OfApp:
        used = {
            each.provider_account_id: each.channel for each in some if self.by_provider.get(each.provider_account_id) is each
        }
        had = {each.provider_account_id for each in some if each.account or not each.app}
        return OfApp(some[0], used, frozenset(had - self.by_provider.keys()))


class Known(Struct, frozen=True):
    """All accounts by our ids, as the store had them at once, and those that each channel has, as far as somebody asked.

    `apps`: by our ids, each alone.
    """

    rows: dict[str, InForce] = {}
    channels: dict[str, OfChannel] = {}
    apps: dict[str, InForce] = {}


class Accounts(Mapping[str, Channel]):
    """Channels by name, and what is asked of the accounts that they have. `channel` stands for the name of one.

    `account_id` is ours, as messages name an account; empty: the environment's.
    """

    @abstractmethod
    def used(self, name: str) -> list[InForce]:
        """The channel with each account that it has, the default first."""

    @abstractmethod
    def of(self, name: str, account_id: str) -> InForce:
        """The channel with the account that something was to be sent from."""

    @abstractmethod
    def named(self, name: str, provider_account_id: str) -> InForce | None:
        """The account that the provider calls so, among those that the channel has."""

    @abstractmethod
    def connected(self, account_id: str) -> InForce | None:
        """A connected account that is not removed, whether or not its channel sends from it."""

    @abstractmethod
    def apps(self, name: str) -> list[OfApp]:
        """All apps that sign webhooks of this channel."""

    @abstractmethod
    def within(self, workspace: str) -> "Accounts":
        """The same with the accounts of this workspace only."""

    @property
    def everywhere(self) -> "Accounts":
        """The same with the accounts of all workspaces."""
        return self

    def in_force(self, name: str) -> InForce:
        """The channel with its default account. SettingsError when the environment's account cannot be opened."""
        return self.used(name)[0]

    def reading(self, name: str, provider_account_id: str) -> Channel:
        """The channel with the account that the provider calls so; the default where it has none such."""
        return (self.named(name, provider_account_id) or self.in_force(name)).channel

    def workspace_of(self, name: str, provider_account_id: str) -> str:
        """Whose this account is; of one that nobody has, `default`."""
        if name not in CHANNELS or len(self.used(name)) == 1:
            return DEFAULT_WORKSPACE
        found = self.named(name, provider_account_id)
        return found.workspace if found else DEFAULT_WORKSPACE

    def sends_from(self, name: str, wrote: Mapping[str, int]) -> str:
        """The account that answers somebody who wrote to these at these times, by the provider's ids: the last one. Ours."""
        heard = [(at, found) for account, at in wrote.items() if (found := self.named(name, account))]
        return max(heard, key=lambda each: each[0])[1].account_id if heard else self.in_force(name).account_id

    def stopped_by(self, name: str, account_id: str) -> str:
        """Why nothing is sent from this account now; empty: it is."""
        return self.of(name, account_id).suspended_for if name in CHANNELS else ""

    def ours(self, name: str, provider_account_id: str) -> str:
        """What we call an account; empty: the environment's."""
        found = self.named(name, provider_account_id)
        return found.account_id if found else ""

    def has_choice(self, name: str) -> bool:
        """Whether this channel has more than one account."""
        return name in CHANNELS and len(self.used(name)) > 1

    def of_channel(self, name: str) -> list[str]:
        """All accounts of this channel, as the API calls them."""
        return [each.account_id or name for each in self.used(name)]

    def pace(self, name: str) -> float:
        """What the default account of this channel may send a second: as its channel has it, or less where it keeps to less."""
        found = self.in_force(name)
        own = found.account.limits.messages_per_second if found.account else 0
        usual = found.channel.limits.account_per_second
        return min(own, usual) if own else usual

    def features(self, name: str, account_id: str) -> frozenset[str]:
        """What the provider granted this account."""
        found = self.of(name, account_id)
        return frozenset(found.account.features) if found.account else found.channel.features

    def place_of(self, account_id: str) -> tuple[str, str] | None:
        """The channel of an account that is used, and what messages call it; the environment's has its channel's name."""
        if account_id in self:
            return (account_id, "") if any(each.account is None for each in self.used(account_id)) else None
        found = self.connected(account_id)
        return (found.channel.name, account_id) if found and found.account and found.account.is_used else None


class Fixed(Accounts):
    """Channels that have one account each, which stays: the environment's."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = channels

    def __getitem__(self, name: str) -> Channel:
        return self._channels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    def __len__(self) -> int:
        return len(self._channels)

    def used(self, name: str) -> list[InForce]:
        """That one, where there is such a channel."""
        return [InForce(self._channels[name])] if name in self._channels else []

    def of(self, name: str, account_id: str) -> InForce:
        """That one."""
        return InForce(self._channels[name])

    def named(self, name: str, provider_account_id: str) -> InForce | None:
        """That one, if it is called so."""
        return next((each for each in self.used(name) if each.provider_account_id == provider_account_id), None)

    def connected(self, account_id: str) -> InForce | None:
        """None is connected."""
        return None

    def apps(self, name: str) -> list[OfApp]:
        """The account's."""
        return [OfApp(each, {each.provider_account_id: each.channel}) for each in self.used(name)]

    def within(self, workspace: str) -> Accounts:
        """Each workspace has all of them."""
        return self


def accounts_of(channels: Mapping[str, Channel]) -> Accounts:
    """The accounts that these have."""
    return channels if isinstance(channels, Accounts) else Fixed(channels)


class LiveChannels(Accounts):
    """The channels by name. Thread-safe. Begins to watch when it is first asked; `close` ends that.

    every_s: how often it asks; 0: whenever it is asked itself. Temporary from whatever asks, until the store was read once.
    """

    def __init__(
        self,
        settings: Settings,
        store: MessageStore,
        opens: Callable[..., Channel] = open_channel,
        every_s: float = EVERY_S,
    ) -> None:
        self._settings, self._store, self._opens = settings, store, opens
        self._every_s = every_s
        self._reading = threading.Lock()
        self._watch = Watch("accounts", every_s, self.read, self._read_again)
        self._seen = -1
        self._of_environment: dict[str, Channel] = {}
        self._known = Known()

    def __getitem__(self, name: str) -> Channel:
        if name not in CHANNELS:
            raise KeyError(name)
        return self.in_force(name).channel

    def __iter__(self) -> Iterator[str]:
        return iter(CHANNELS)

    def __len__(self) -> int:
        return len(CHANNELS)

    def used(self, name: str) -> list[InForce]:
        """The channel with each account that it has, the default first."""
        return self._of(name).used

    def _of(self, name: str) -> OfChannel:
        self._look()
        return self._found(self._known, name)

    def _found(self, known: Known, name: str) -> OfChannel:
        found = known.channels.get(name)
        if found is None:
            used = self._chosen(name, known)
            gone = [each for each in known.rows.values() if each.is_gone and each.channel.name == name]
            # The simulator's account is left once there is another; it still tells of what it was given.
            left = [] if any(each.account is None for each in used) else [InForce(self.environment(name))]
            apps = [each for each in known.apps.values() if each.channel.name == name]
            found = known.channels[name] = OfChannel(used, [*gone, *left], apps)
        return found

    def has_several(self, name: str) -> bool:
        """Whether the channel has more than one account, as far as is known; asks nobody."""
        found = self._known.channels.get(name)
        return found is not None and len(found.used) > 1

    def _chosen(self, name: str, known: Known) -> list[InForce]:
        """Those of `default` first, to which the environment's belongs."""
        environment = self.environment(name)
        mine = [
            (each.account.workspace != DEFAULT_WORKSPACE, each.account.created_at, account_id, each)
            for account_id, each in known.rows.items()
            if each.account and each.account.channel == name and each.account.is_used
        ]
        used = [each for *_, each in sorted(mine, key=lambda each: each[:3])]
        is_default_served = any(each.workspace == DEFAULT_WORKSPACE for each in used)
        return [InForce(environment), *used] if environment.account.real or not is_default_served else used

    def within(self, workspace: str) -> "LiveChannels":
        """The same with the accounts of this workspace only."""
        return _Within(self, workspace)

    def of(self, name: str, account_id: str) -> InForce:
        """The channel with the account that something was to be sent from; empty: the environment's."""
        if not account_id:
            return InForce(self.environment(name))
        self._look()
        found = self._known.rows.get(account_id)
        if found is None or found.channel.name != name:
            return InForce(self.environment(name), stopped_by=UNKNOWN)
        return found

    def named(self, name: str, provider_account_id: str) -> InForce | None:
        """The account that the provider calls so, among those that the channel has."""
        return self._of(name).by_provider.get(provider_account_id)

    def apps(self, name: str) -> list[OfApp]:
        """All apps that sign webhooks of this channel."""
        return list(self._of(name).apps.values())

    def app_of(self, account_id: str) -> OfApp | None:
        """The app of a connected account, or of one that was removed and of whose messages the provider still tells.

        An account that nobody has confirmed speaks for no other. Where the account of an app is back with another one, the
        first speaks for it no more.
        """
        self._look()
        known = self._known
        signer = known.rows.get(account_id)
        if signer is None or (signer.stopped_by == REMOVED and not signer.is_gone):
            return None
        found = self._found(known, signer.channel.name).apps.get(signer.channel.app) if signer.is_confirmed else None
        return OfApp(signer, found.used, found.gone) if found else OfApp(signer, {})

    def app(self, app_id: str) -> InForce | None:
        """An app alone: what it signs is verified with its own secret."""
        self._look()
        return self._known.apps.get(app_id)

    def speaking_for(self, alone: InForce) -> OfApp:
        """The accounts of this app, with one that is used for a signer, which hears what concerns all of them; else alone."""
        found = self._of(alone.channel.name).apps.get(alone.channel.app)
        if found is None:
            return OfApp(alone, {})
        return OfApp(found.signer if found.used else alone, found.used, found.gone)

    def open(self) -> "LiveChannels":
        """Itself, once it is certain that every account of the environment can be opened. SettingsError when one cannot."""
        for name in CHANNELS:
            self.environment(name)
        return self

    def environment(self, name: str) -> Channel:
        """The channel with the account of the environment, which may be the simulator's."""
        if name not in self._of_environment:
            self._of_environment[name] = self._opens(name, self._settings)
        return self._of_environment[name]

    def connected(self, account_id: str) -> InForce | None:
        """A connected account that is not removed, whether or not its channel sends from it."""
        self._look()
        found = self._known.rows.get(account_id)
        return found if found and found.account and found.account.state != "removed" else None

    def read(self) -> bool:
        """Ask the store now; whether anything changed. Temporary or Unknown when it does not answer."""
        with self._reading:
            number = self._store.accounts_changed()
            if number == self._seen:
                return False
            rows = list(all_accounts(self._store)) if number else []
            apps = {row.app_id: row for row in all_apps(self._store)} if number else {}
            alone = {app_id: self._alone(row) for app_id, row in apps.items()}
            # Those who are finding out from what there was before write into the one before.
            self._known = Known({row.account_id: self._taken(row, apps.get(row.app_id)) for row in rows}, {}, alone)
            self._seen = number
            return True

    def _alone(self, row: ProviderApp) -> InForce:
        """An app with its channel: the one that there was, unless its secret is another. What no key opens signs nothing."""
        before = self._known.apps.get(row.app_id)
        if before and before.app and before.app.sealed == row.sealed and before.stopped_by != SEALED:
            return InForce(before.channel, app=row)
        try:
            return InForce(of_app_alone(self._settings, self._opens, row.channel, opened(self._seal, row)), app=row)
        except (Permanent, SettingsError, WrongCredentials) as error:
            log.error("app_unopened", channel=row.channel, app_id=row.app_id, error=str(error))
            return InForce(of_app_alone(self._settings, self._opens, row.channel, {}), None, SEALED, row)

    def _taken(self, row: ConnectedAccount, app: ProviderApp | None) -> InForce:
        """A row with its channel: the one that there was, unless it has other credentials."""
        before = self._known.rows.get(row.account_id)
        stopped = {"paused": PAUSED, "removed": REMOVED}.get(row.state, "")
        if (
            before
            and before.account
            and before.stopped_by != SEALED
            and _sealed(before.account, before.app) == _sealed(row, app)
        ):
            return InForce(before.channel, row, stopped, app)
        if row.state == "removed":
            return InForce(self._gone(row, app), row, stopped, app)
        try:
            return InForce(self._opens(row.channel, self._settings, whole(self._seal, row, app)), row, stopped, app)
        except (Permanent, SettingsError, WrongCredentials) as error:
            log.error("account_unopened", channel=row.channel, account_id=row.account_id, error=str(error))
            return InForce(self._without_credentials(row), row, SEALED, app)

    def _gone(self, row: ConnectedAccount, app: ProviderApp | None) -> Channel:
        """With what its webhooks are verified with, if that is there and a key opens it."""
        try:
            given = whole(self._seal, row, app)
            verifies = own_settings(row.channel).verifies
            return self._without_credentials(row, {name: given[name] for name in verifies if name in given})
        except (Permanent, SettingsError, WrongCredentials):
            return self._without_credentials(row)

    def _without_credentials(self, row: ConnectedAccount, verifies: Mapping[str, str] = NOTHING) -> Channel:
        """What was sent from it is known by its id all the same."""
        nobody = own_settings(row.channel).of_nobody(row.provider_account_id)
        return self._opens(row.channel, self._settings, nobody | dict(verifies))

    @cached_property
    def _seal(self) -> Seal:
        """SettingsError when the deployment has no key for that."""
        return Seal(self._settings)

    def _look(self) -> None:
        if self._every_s:
            self._watch.begin()
        else:
            self.read()

    def _read_again(self) -> None:
        try:
            self.read()
        except (Temporary, Unknown) as failure:
            metrics.ACCOUNTS_UNREAD.add()
            log.warning("accounts_unread", reason=failure.reason)

    def close(self) -> None:
        """Watch no longer. Safe to call twice."""
        self._watch.close()


class _Within(LiveChannels):
    """The channels on which a workspace has accounts. All that there is to know the deployment's knows."""

    def __init__(self, everywhere: LiveChannels, workspace: str) -> None:
        self._everywhere, self._workspace = everywhere, workspace
        self._of_everywhere: dict[str, tuple[OfChannel, OfChannel]] = {}

    @property
    def everywhere(self) -> LiveChannels:
        """The deployment's."""
        return self._everywhere

    def __getitem__(self, name: str) -> Channel:
        """What it can carry can be asked of one without accounts too."""
        used = self.used(name) if name in CHANNELS else []
        return used[0].channel if used else self._everywhere.environment(name)

    def __contains__(self, name: object) -> bool:
        return name in CHANNELS and bool(self.used(str(name)))

    def __iter__(self) -> Iterator[str]:
        return (name for name in CHANNELS if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _of(self, name: str) -> OfChannel:
        there = self._everywhere._of(name)
        kept = self._of_everywhere.get(name)
        if kept is None or kept[0] is not there:
            mine = OfChannel([each for each in there.used if each.workspace == self._workspace], [])
            kept = self._of_everywhere[name] = (there, mine)
        return kept[1]

    def in_force(self, name: str) -> InForce:
        """Without an account nothing is sent."""
        used = self.used(name)
        return used[0] if used else InForce(self.environment(name), stopped_by=UNKNOWN)

    def has_several(self, name: str) -> bool:
        """As of all accounts: it says only whether to look."""
        return self._everywhere.has_several(name)

    def of(self, name: str, account_id: str) -> InForce:
        """As of all accounts: what was frozen in a message names its own."""
        return self._everywhere.of(name, account_id)

    def connected(self, account_id: str) -> InForce | None:
        """One of the workspace."""
        found = self._everywhere.connected(account_id)
        return found if found and found.workspace == self._workspace else None

    def app_of(self, account_id: str) -> OfApp | None:
        """Of one of the workspace."""
        found = self._everywhere.app_of(account_id)
        return found if found and found.signer.workspace == self._workspace else None

    def app(self, app_id: str) -> InForce | None:
        """One of the workspace."""
        found = self._everywhere.app(app_id)
        return found if found and found.workspace == self._workspace else None

    def environment(self, name: str) -> Channel:
        """As of all accounts."""
        return self._everywhere.environment(name)

    def within(self, workspace: str) -> LiveChannels:
        """Of another workspace."""
        return self._everywhere.within(workspace)

    def read(self) -> bool:
        """As of all accounts."""
        return self._everywhere.read()

    def open(self) -> LiveChannels:
        """As of all accounts."""
        self._everywhere.open()
        return self

    def close(self) -> None:
        """Whoever opened the accounts closes them."""


def app_credentials(name: str) -> tuple[str, ...]:
    """Which credentials of this channel's accounts are their app's; none where there are no apps."""
    return own_settings(name).of_app


def of_app_alone(settings: Settings, opens: Callable[..., Channel], name: str, given: Mapping[str, str]) -> Channel:
    """The channel with what an app has, and with an account that there is nowhere. WrongCredentials as `open_channel`."""
    return opens(name, settings, own_settings(name).of_nobody(NOWHERE) | dict(given))


def _sealed(account: ConnectedAccount, app: ProviderApp | None) -> tuple[bytes, bytes]:
    """By this it is seen whether credentials are others than before."""
    return account.sealed, app.sealed if app else b""


def all_accounts(store: MessageStore) -> Iterator[ConnectedAccount]:
    """All connected accounts by id, the removed ones too."""
    after = ""
    while page := store.accounts(PAGE, after):
        yield from page
        after = page[-1].account_id


def all_apps(store: MessageStore) -> Iterator[ProviderApp]:
    """All apps by id."""
    after = ""
    while page := store.apps(PAGE, after):
        yield from page
        after = page[-1].app_id
