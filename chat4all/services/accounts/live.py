"""The channels with the accounts that are in force, as one process knows them: it asks the store once a second for changes.

A channel sends from the environment's account, if that is real; else from the account that was connected, if there is one; else
from the simulator's. What is being sent when an account changes is finished with what it was begun with.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from msgspec import Struct

from chat4all.channels import CHANNELS, open_channel, own_settings
from chat4all.channels.account_settings import WrongCredentials
from chat4all.model.failures import Permanent, Temporary, Unknown
from chat4all.ports import Channel, ConnectedAccount, MessageStore
from chat4all.redaction import know
from chat4all.services.seal import Seal
from chat4all.services.watching import Watch
from chat4all.settings import Settings, SettingsError
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)

# A change is in force everywhere within two seconds.
EVERY_S = 1.0
PAGE = 200

PAUSED, SEALED, REMOVED = "account_paused", "account_sealed", "account_removed"


class InForce(Struct, frozen=True):
    """A channel with its account; None: the environment's. `stopped_by`: why nothing is sent from it.

    `removed_at`: when an account was removed that has no successor: what was accepted before that was to be sent from it.
    """

    channel: Channel
    account: ConnectedAccount | None = None
    stopped_by: str = ""
    removed_at: int = 0


class LiveChannels(Mapping[str, Channel]):
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
        self._connected: dict[str, InForce] = {}
        self._in_force: dict[str, InForce] = {}

    def __getitem__(self, name: str) -> Channel:
        if name not in CHANNELS:
            raise KeyError(name)
        return self.in_force(name).channel

    def __iter__(self) -> Iterator[str]:
        return iter(CHANNELS)

    def __len__(self) -> int:
        return len(CHANNELS)

    def in_force(self, name: str) -> InForce:
        """The channel with what it sends from. SettingsError when the environment's account cannot be opened."""
        self._look()
        known = self._in_force
        found = known.get(name)
        if found is None:
            found = known[name] = self._chosen(name)
        return found

    def _chosen(self, name: str) -> InForce:
        environment = self.environment(name)
        mine = [each for each in self._connected.values() if each.account and each.account.channel == name]
        used = [each for each in mine if each.account and each.account.is_used]
        if not mine or environment.account.real:
            return InForce(environment)
        if used:
            return min(used, key=lambda each: each.account.created_at if each.account else 0)
        gone = [each.account.changed_at for each in mine if each.account and each.account.state == "removed"]
        return InForce(environment, removed_at=max(gone, default=0))

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
        found = self._connected.get(account_id)
        return found if found and found.account and found.account.state != "removed" else None

    def read(self) -> bool:
        """Ask the store now; whether anything changed. Temporary or Unknown when it does not answer."""
        with self._reading:
            number = self._store.accounts_changed()
            if number == self._seen:
                return False
            rows = all_accounts(self._store) if number else iter(())
            self._connected = {row.account_id: self._taken(row) for row in rows}
            # Those who are finding out from what there was before write into the one before.
            self._in_force = {}
            self._seen = number
            return True

    def _taken(self, row: ConnectedAccount) -> InForce:
        """A row with its channel: the one that there was, unless it has other credentials."""
        before = self._connected.get(row.account_id)
        paused = PAUSED if row.state == "paused" else ""
        if row.state == "removed":
            return InForce(self.environment(row.channel), row)
        if before and before.account and before.account.sealed == row.sealed and before.stopped_by != SEALED:
            return InForce(before.channel, row, paused)
        try:
            return InForce(self._opens(row.channel, self._settings, opened(self._seal, row)), row, paused)
        except (Permanent, SettingsError, WrongCredentials) as error:
            log.error("account_unopened", channel=row.channel, account_id=row.account_id, error=str(error))
            nobody = own_settings(row.channel).of_nobody(row.provider_account_id)
            return InForce(self._opens(row.channel, self._settings, nobody), row, SEALED)

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


def stopped_by(channels: Mapping[str, Channel], name: str) -> str:
    """Why nothing is sent on this channel now; empty: it is."""
    return channels.in_force(name).stopped_by if isinstance(channels, LiveChannels) and name in CHANNELS else ""


def opened(seal: Seal, account: ConnectedAccount) -> dict[str, str]:
    """An account's credentials, which are said nowhere from now on. Permanent `sealed` when no key opens them."""
    given = seal.open(account.sealed, dict[str, str])
    know(*(value for name, value in given.items() if not name.endswith("_id")))
    return given


def all_accounts(store: MessageStore) -> Iterator[ConnectedAccount]:
    """All connected accounts by id, the removed ones too."""
    after = ""
    while page := store.accounts(PAGE, after):
        yield from page
        after = page[-1].account_id
