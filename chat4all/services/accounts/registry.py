"""Accounts of this deployment: connected, renamed, paused, resumed, given other credentials, asked about, removed.

Whoever changes an account decides on what all of them were, and tries again when somebody else was faster.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar

from msgspec.structs import replace

from chat4all.channels import CHANNELS, open_channel, own_settings, unknown_channel
from chat4all.channels.account_settings import WrongCredentials
from chat4all.channels.webhook_address import webhook_address
from chat4all.model.account_health import NOT_SUSPENDED, RENEWED, UNTIL, noted
from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.failures import Failure, Temporary
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.ports import Channel, ConnectedAccount, Examined, Finding, MessageStore, ProviderApp
from chat4all.redaction import know
from chat4all.services.accounts.apps import AppRegistry
from chat4all.services.accounts.changes import put
from chat4all.services.accounts.credentials import opened, told_nowhere, whole
from chat4all.services.accounts.live import LiveChannels, all_accounts, app_credentials
from chat4all.services.refusals import Conflict, NoSuch, Taken, Wrong
from chat4all.services.seal import Seal
from chat4all.settings import Settings

T = TypeVar("T")

NO_FEATURES: Mapping[str, bool] = MappingProxyType({})

NAME_MOST = 128
# A check makes several calls, each of which has a limit of its own.
CALLS_MOST = 4
UNREACHABLE = "See that this machine reaches the provider, and look at the provider's status page; then check again."


class AccountRegistry:
    """The accounts of a workspace; `store`: as that sees it. `everywhere`: with those of all: no two have the same account.

    `apps`: the apps that they may be of.
    """

    def __init__(
        self,
        settings: Settings,
        store: MessageStore,
        live: LiveChannels,
        opens: Callable[..., Channel] = open_channel,
        everywhere: MessageStore | None = None,
        workspace: str = DEFAULT_WORKSPACE,
    ) -> None:
        self._settings, self._store, self._live, self._opens = settings, store, live, opens
        self._everywhere, self._workspace = everywhere or store, workspace
        self.apps = AppRegistry(settings, store, live, opens, self._examined, workspace)

    @cached_property
    def _seal(self) -> Seal:
        """SettingsError when the deployment has no key for that."""
        return Seal(self._settings)

    def create(
        self,
        channel: str,
        provider_account_id: str,
        name: str,
        given: Mapping[str, str],
        by: str,
        account_id: str,
        app_id: str = "",
    ) -> ConnectedAccount:
        """Connect an account; it is used once the provider has confirmed it (`check`). The same again is the one there is.

        `app_id`: the app that has the rest of its credentials. Wrong when it cannot be; Conflict when it is connected; Taken
        when the id is another account's.
        """
        if channel not in CHANNELS:
            raise Wrong("channel", unknown_channel(channel))
        kept = self._fit(channel, _with_id(channel, provider_account_id, given), self._app(channel, app_id))
        account = own_settings(channel).account_of(kept)
        if provider_account_id and provider_account_id != account:
            raise Wrong("provider_account_id", "is not the account of these credentials")
        while True:
            seen = self._store.accounts_changed()
            there = self._store.account(account_id)
            if there is not None:
                return self._same(there, channel, account, name)
            self._is_free(channel, account)
            # It may have been removed meanwhile; from here on it cannot be.
            self._app(channel, app_id)
            at, sealed = now_ms(), self._seal.seal(kept)
            made = ConnectedAccount(
                account_id,
                channel,
                account,
                name,
                sealed,
                workspace=self._workspace,
                created_at=at,
                changed_at=at,
                created_by=by,
                app_id=app_id,
            )
            if put(self._store, None, made, seen):
                self._live.read()
                return made

    def is_of_environment(self, account_id: str) -> bool:
        """Whether this is an account that the environment set up: these are of `default`."""
        return account_id in CHANNELS and self._workspace == DEFAULT_WORKSPACE

    def all(self) -> list[ConnectedAccount]:
        """Those that are not removed, by id."""
        return [each for each in all_accounts(self._store) if each.state != "removed"]

    def get(self, account_id: str) -> ConnectedAccount:
        """One. NoSuch when there is none, or it is removed."""
        found = self._store.account(account_id)
        if found is None or found.state == "removed":
            raise NoSuch
        return found

    def change(
        self, account_id: str, name: str | None, limits: Mapping[str, float | None], features: Mapping[str, bool] = NO_FEATURES
    ) -> ConnectedAccount:
        """Call it something else; have it keep to these limits; say which features the provider granted it.

        What is left out stays; None: as the channel has it. Wrong: the channel has no such feature.
        """
        given = {limit: value or 0 for limit, value in limits.items()}
        has_feature = self._live.environment(self.get(account_id).channel).own_features
        for feature in features.keys() - has_feature:
            raise Wrong(f"features.{feature}", "its channel has no such feature")

        def changed(old: ConnectedAccount) -> ConnectedAccount:
            granted = tuple(sorted({each for each in old.features if features.get(each, True)} | _granted(features)))
            name_now = old.name if name is None else name
            return replace(old, name=name_now, limits=replace(old.limits, **given), features=granted)

        return self._replaced(account_id, changed)

    def pause(self, account_id: str) -> ConnectedAccount:
        """Send nothing from it: messages wait, and end when they are too old. What people write comes in all the same."""
        return self._replaced(account_id, lambda old: replace(_confirmed(old), state="paused"))

    def resume(self, account_id: str) -> ConnectedAccount:
        """Send from it again, what waits first, also where its provider refused messages. Nothing else is changed."""

        def resumed(old: ConnectedAccount) -> ConnectedAccount:
            state = "active" if old.state == "paused" else old.state
            return replace(old, state=state, health=noted(old.health, NOT_SUSPENDED, now_ms()))

        return self._replaced(account_id, resumed)

    def remove(self, account_id: str) -> None:
        """Forget what it sends with. What was to be sent from it fails as account_removed.

        What its webhooks are verified with is kept: the provider still tells what became of what was sent.
        """
        self._replaced(account_id, lambda old: replace(old, state="removed", sealed=self._verifying(old), reason=""))

    def _verifying(self, old: ConnectedAccount) -> bytes:
        # What nobody has confirmed has sent nothing, and its webhooks say nothing.
        if old.state == "connecting":
            return b""
        try:
            given = whole(self._seal, old, self._app_of(old))
        except Failure:
            return b""
        kept = {name: given[name] for name in own_settings(old.channel).verifies if name in given}
        return self._seal.seal(kept) if kept else b""

    def rotate(self, account_id: str, given: Mapping[str, str], app_id: str | None = None) -> ConnectedAccount:
        """Give it these credentials; those that are left out stay. Wrong when the provider does not accept them.

        `app_id`: the app that has the rest of them from now on; empty: it has all of them itself; None: as it was.
        """
        old = self.get(account_id)
        names_app = old.app_id if app_id is None else app_id
        app = self._app(old.channel, names_app)
        left = {name: value for name, value in self._own(old).items() if not app or name not in app_credentials(old.channel)}
        kept = self._fit(old.channel, _with_id(old.channel, old.provider_account_id, left | dict(given)), app)
        if own_settings(old.channel).account_of(kept) != old.provider_account_id:
            raise Wrong("credentials", "are those of another account: connect that one")
        all_of_it = kept | (opened(self._seal, app) if app else {})
        found = self._examined(self._opens(old.channel, self._settings, all_of_it), account_id, names_app)
        refused = next((each for each in found.findings if each.fatal), None)
        if refused:
            raise Wrong("credentials", f"{refused.said} {refused.mend}", refused.code)
        sealed = self._seal.seal(kept)

        def rotated(now: ConnectedAccount) -> ConnectedAccount:
            self._app(now.channel, names_app)
            state = "active" if now.state == "failing" else now.state
            # They may be too young to be renewed at once: a day from now.
            fresh = {UNTIL: "", RENEWED: str(now_ms() - 6 * DAY_MS)} | found.notes
            health = noted(now.health, fresh, now_ms())
            at = now_ms()
            return replace(now, sealed=sealed, state=state, reason="", checked_at=at, health=health, app_id=names_app)

        return self._replaced(account_id, rotated)

    def renew(self, account_id: str) -> bool:
        """Give it credentials that end later, where its provider renews them. Whether it did; raises as `Channel.renew`."""
        old = self.get(account_id)
        channel = self._channel(old)
        renewed = self._asked(channel, channel.renew)
        if renewed is None:
            return False
        know(*renewed.credentials.values())
        sealed = self._seal.seal(self._own(old) | renewed.credentials)
        news = {UNTIL: str(renewed.until), RENEWED: str(now_ms())}

        def changed(now: ConnectedAccount) -> ConnectedAccount:
            # Who gave it others meanwhile knows better.
            return now if now.sealed != old.sealed else replace(now, sealed=sealed, health=noted(now.health, news, now_ms()))

        self._replaced(account_id, changed)
        return True

    def check(self, account_id: str) -> tuple[ConnectedAccount | None, Examined]:
        """Ask the provider what is wrong with it; once it confirmed the credentials, the account is used.

        None: the environment's account of this channel, of which nothing is kept.
        """
        if self.is_of_environment(account_id):
            return None, self._examined(self._live.environment(account_id), account_id)
        account = self.get(account_id)
        found = self._examined(self._channel(account), account_id, account.app_id)
        if any(each.code == "unreachable" for each in found.findings):
            return account, found
        return self._replaced(account_id, lambda old: _checked(old, account, found)), found

    def connect(self, account_id: str) -> str:
        """Register our webhook at the provider, where it lets us. What was done, in a line; raises as `Channel.connect`."""
        account = self.get(account_id)
        channel, url = self._channel(account), self.webhook_url(account.channel, account_id, account.app_id)
        return self._asked(channel, lambda: channel.connect(url))

    def ask(self, account_id: str, question: Callable[[Channel], Coroutine[Any, Any, T]]) -> T:
        """What the provider answers, of an account of the environment too. NoSuch; else raises as the question."""
        is_ours = not self.is_of_environment(account_id)
        opened_now = self._channel(self.get(account_id)) if is_ours else self._opens(account_id, self._settings)
        return self._asked(opened_now, lambda: question(opened_now))

    def webhook_url(self, channel: str, account_id: str, app_id: str = "") -> str:
        """Where the provider finds us: at its app's address where it has one; "" without a public address."""
        return webhook_address(self._settings, channel, "" if account_id == channel else account_id, app_id)

    def credential_names(self, account: ConnectedAccount) -> list[str]:
        """Which credentials it has; none where they cannot be opened."""
        try:
            return sorted(opened(self._seal, account))
        except Failure:
            return []

    def _channel(self, account: ConnectedAccount) -> Channel:
        return self._opens(account.channel, self._settings, whole(self._seal, account, self._app_of(account)))

    def _app_of(self, account: ConnectedAccount) -> ProviderApp | None:
        return self._store.app(account.app_id) if account.app_id else None

    def _app(self, channel: str, app_id: str) -> ProviderApp | None:
        """The app of this id; none for an empty one. Wrong where there is none, or it is another channel's."""
        if not app_id:
            return None
        found = self._store.app(app_id)
        if found is None:
            raise Wrong("app_id", "there is no such app", "unknown_app")
        if found.channel != channel:
            raise Wrong("app_id", f"is an app of {found.channel}")
        return found

    def _own(self, old: ConnectedAccount) -> dict[str, str]:
        """What it has itself; nothing where no key opens that: then all of it must be given."""
        try:
            return opened(self._seal, old)
        except Failure:
            return {}

    def _fit(self, channel: str, given: Mapping[str, str], app: ProviderApp | None) -> dict[str, str]:
        """The account's own credentials, if a channel can be opened with them. From now on they are said nowhere."""
        told_nowhere(dict(given))
        kept = {name: value for name, value in given.items() if value}
        if channel == "telegram":
            kept.setdefault("webhook_secret", secrets.token_urlsafe(32))
        of_app = opened(self._seal, app) if app else {}
        for name in sorted(kept.keys() & of_app.keys()):
            raise Wrong(f"credentials.{name}", "is the app's: change it there, or leave out app_id")
        try:
            self._opens(channel, self._settings, kept | of_app)
        except WrongCredentials as wrong:
            own = wrong.field == own_settings(channel).names_account
            raise Wrong("provider_account_id" if own else f"credentials.{wrong.field}", str(wrong)) from None
        return kept

    def _is_free(self, channel: str, account: str) -> None:
        """Conflict when it is connected already."""
        environment = self._live.environment(channel).account
        if environment.real and environment.account_id == account:
            why = f"it is set up by environment variables: unset {channel.upper()}_… and restart first"
            raise Conflict("environment_account", why)
        there = (each for each in all_accounts(self._everywhere) if each.state != "removed")
        if any((each.channel, each.provider_account_id) == (channel, account) for each in there):
            raise Conflict("account_exists", "it is connected: give it other credentials, or remove it")

    def _same(self, there: ConnectedAccount, channel: str, account: str, name: str) -> ConnectedAccount:
        if (there.channel, there.provider_account_id, there.name) != (channel, account, name) or there.state == "removed":
            raise Taken
        return there

    def _examined(self, channel: Channel, account_id: str, app_id: str = "") -> Examined:
        url = self.webhook_url(channel.name, account_id, app_id)
        try:
            return self._asked(channel, lambda: channel.examine(url))
        except Temporary as failure:
            return Examined("", (Finding("unreachable", f"The provider gave no answer: {failure.reason}.", UNREACHABLE),))
        except Failure as failure:
            return Examined("", (Finding(failure.reason, "The provider refuses the account.", UNREACHABLE, True),))

    def _asked(self, channel: Channel, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async def asked() -> T:
            try:
                async with asyncio.timeout(CALLS_MOST * self._settings.provider_timeout_s):
                    return await question()
            except TimeoutError:
                raise Temporary("no_answer") from None
            finally:
                await channel.close()

        return asyncio.run(asked())

    def _replaced(self, account_id: str, change: Callable[[ConnectedAccount], ConnectedAccount]) -> ConnectedAccount:
        while True:
            seen = self._store.accounts_changed()
            old = self.get(account_id)
            new = change(old)
            if new == old:
                return old
            new = replace(new, changed_at=now_ms())
            if put(self._store, old, new, seen):
                self._live.read()
                return new


def _with_id(channel: str, account: str, given: Mapping[str, str]) -> dict[str, str]:
    """The credentials with the provider's id of the account, which is not among those that are given."""
    named = own_settings(channel).names_account
    if named and named in given and given[named] != account:
        raise Wrong(f"credentials.{named}", "give it as provider_account_id")
    return dict(given) | ({named: account} if named else {})


def _confirmed(account: ConnectedAccount) -> ConnectedAccount:
    if account.state == "connecting":
        raise Conflict("account_connecting", "the provider has not confirmed it yet: check it first")
    return account


def _checked(now: ConnectedAccount, asked: ConnectedAccount, found: Examined) -> ConnectedAccount:
    """What the answer makes of the account, unless it has other credentials by now."""
    if now.sealed != asked.sealed:
        return now
    fatal = next((each for each in found.findings if each.fatal), None)
    if fatal is None:
        state = "paused" if now.state == "paused" else "active"
    else:
        state = "failing" if now.state == "active" else now.state
    health = noted(now.health, found.notes, now_ms())
    return replace(now, state=state, reason=fatal.code if fatal else "", checked_at=now_ms(), health=health)


def _granted(features: Mapping[str, bool]) -> set[str]:
    return {name for name, is_granted in features.items() if is_granted}
