"""Apps at providers, made known while everything runs: one secret for the webhooks of many accounts, in one place.

Whoever changes one decides on what all apps and accounts were, and tries again when somebody else was faster.
"""

from collections.abc import Callable, Mapping
from functools import cached_property

from msgspec.structs import replace

from chat4all.channels import CHANNELS, own_settings, unknown_channel
from chat4all.channels.account_settings import WrongCredentials
from chat4all.channels.webhook_address import webhook_address
from chat4all.model.clock import now_ms
from chat4all.model.failures import Failure
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.ports import Channel, ConnectedAccount, Examined, MessageStore, ProviderApp
from chat4all.services.accounts.credentials import opened, told_nowhere, whole
from chat4all.services.accounts.live import LiveChannels, all_accounts, all_apps, app_credentials, of_app_alone
from chat4all.services.refusals import Conflict, NoSuch, Taken, Wrong
from chat4all.services.seal import Seal
from chat4all.settings import Settings

# So many accounts are named to whoever cannot remove their app.
NAMED_MOST = 10
SECRET_WRONG = "secret_wrong"  # noqa: S105 - a code


class AppRegistry:
    """The apps of a workspace; `store`: as that sees it. `examine`: asks the provider about an account, opened so."""

    def __init__(
        self,
        settings: Settings,
        store: MessageStore,
        live: LiveChannels,
        opens: Callable[..., Channel],
        examine: Callable[[Channel, str], Examined],
        workspace: str = DEFAULT_WORKSPACE,
    ) -> None:
        self._settings, self._store, self._live, self._opens = settings, store, live, opens
        self._examine, self._workspace = examine, workspace

    @cached_property
    def _seal(self) -> Seal:
        """SettingsError when the deployment has no key for that."""
        return Seal(self._settings)

    def create(self, channel: str, name: str, given: Mapping[str, str], by: str, app_id: str) -> ProviderApp:
        """Make an app known. The same again is the one there is. Wrong when it cannot be; Taken when the id is another's."""
        if channel not in CHANNELS:
            raise Wrong("channel", unknown_channel(channel))
        kept = self._fit(channel, given)
        at, sealed = now_ms(), self._seal.seal(kept)
        made = ProviderApp(app_id, channel, name, sealed, self._workspace, created_at=at, changed_at=at, created_by=by)
        while True:
            seen = self._store.accounts_changed()
            there = self._store.app(app_id)
            if there is not None:
                if (there.channel, there.name) != (channel, name):
                    raise Taken
                return there
            if self._store.put_app(made, seen):
                self._live.read()
                return made

    def is_of_environment(self, app_id: str) -> bool:
        """Whether this is the app of the environment's account: it is of `default`."""
        return app_id in CHANNELS and bool(app_credentials(app_id)) and self._workspace == DEFAULT_WORKSPACE

    def all(self) -> list[ProviderApp]:
        """By id."""
        return list(all_apps(self._store))

    def get(self, app_id: str) -> ProviderApp:
        """One. NoSuch when there is none."""
        found = self._store.app(app_id)
        if found is None:
            raise NoSuch
        return found

    def accounts_of(self, app_id: str) -> list[ConnectedAccount]:
        """Those that name it, by id, but for the removed ones."""
        return [each for each in all_accounts(self._store) if each.app_id == app_id and each.state != "removed"]

    def change(self, app_id: str, name: str | None, given: Mapping[str, str]) -> ProviderApp:
        """Call it something else; give it another secret or verify token. What is left out stays.

        Wrong `secret_wrong` when the provider says of one of its accounts that this is not their app's.
        """
        old = self.get(app_id)
        kept = self._fit(old.channel, self._merged(old, given)) if given else None
        if kept:
            self._prove(app_id, kept)
        sealed = self._seal.seal(kept) if kept else b""
        while True:
            seen = self._store.accounts_changed()
            old = self.get(app_id)
            new = replace(old, name=old.name if name is None else name, sealed=sealed or old.sealed)
            if new == old:
                return old
            new = replace(new, changed_at=now_ms())
            if self._store.put_app(new, seen):
                self._live.read()
                return new

    def remove(self, app_id: str) -> None:
        """Forget it and its secret. Conflict, which names them, while accounts are of it."""
        while True:
            seen = self._store.accounts_changed()
            self.get(app_id)
            if used := self.accounts_of(app_id):
                names = ", ".join(each.account_id for each in used[:NAMED_MOST])
                more = f" and {len(used) - NAMED_MOST} more" if len(used) > NAMED_MOST else ""
                raise Conflict("app_in_use", f"give these accounts another app, or remove them: {names}{more}")
            if self._store.remove_app(app_id, seen):
                self._live.read()
                return

    def webhook_url(self, channel: str, app_id: str) -> str:
        """Where the provider finds us; "" without a public address."""
        return webhook_address(self._settings, channel, app="" if app_id == channel else app_id)

    def credential_names(self, app: ProviderApp) -> list[str]:
        """Which credentials it has; none where they cannot be opened."""
        try:
            return sorted(opened(self._seal, app))
        except Failure:
            return []

    def _merged(self, old: ProviderApp, given: Mapping[str, str]) -> dict[str, str]:
        """Where no key opens what there was, all of it must be given."""
        try:
            return opened(self._seal, old) | dict(given)
        except Failure:
            return dict(given)

    def _fit(self, channel: str, given: Mapping[str, str]) -> dict[str, str]:
        """The credentials, if a channel can be opened with them. From now on they are said nowhere."""
        told_nowhere(dict(given))
        wanted = app_credentials(channel)
        if not wanted:
            raise Wrong("channel", f"{channel} has no apps: its accounts have all their credentials themselves")
        for name in given.keys() - set(wanted):
            raise Wrong(f"credentials.{name}", f"is none of an app; those are: {', '.join(wanted)}")
        for name in wanted:
            if not given.get(name):
                raise Wrong(f"credentials.{name}", "is needed")
        try:
            of_app_alone(self._settings, self._opens, channel, given)
        except WrongCredentials as wrong:
            raise Wrong(f"credentials.{wrong.field}", str(wrong)) from None
        return dict(given)

    def _prove(self, app_id: str, kept: Mapping[str, str]) -> None:
        """Ask the provider of one account in use. What it says beside the secret is no matter of the app."""
        used = next((each for each in self.accounts_of(app_id) if each.is_used), None)
        if used is None:
            return
        try:
            given = whole(self._seal, used, None) | dict(kept)
        except Failure:
            return
        found = self._examine(self._opens(used.channel, self._settings, given), used.account_id)
        refused = next((each for each in found.findings if each.code == SECRET_WRONG), None)
        if refused:
            named = ", ".join(own_settings(used.channel).verifies)
            raise Wrong(f"credentials.{named}", f"{refused.said} {refused.mend}", refused.code)
