"""An acceptor for each workspace, made when it is first needed: each sees its own workspace only."""

from collections.abc import Mapping

from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.ports import Channel, EventLog, MessageStore
from chat4all.services.acceptance.acceptance import Acceptor
from chat4all.services.accounts.live import accounts_of
from chat4all.services.workspaces.scoped_log import scoped_log
from chat4all.services.workspaces.scoped_store import scoped
from chat4all.settings import Settings

# They are made again in no time, and a deployment may have thousands.
KEPT_MOST = 500


class Acceptors:
    """Those of one process. Thread-safe: two that are made at once do the same."""

    def __init__(self, store: MessageStore, log: EventLog, settings: Settings, channels: Mapping[str, Channel]) -> None:
        self._store, self._log, self._settings, self._channels = store, log, settings, channels
        self._made: dict[str, Acceptor] = {}

    def of(self, workspace: str = DEFAULT_WORKSPACE) -> Acceptor:
        """The one of this workspace."""
        found = self._made.get(workspace)
        if found is None:
            if len(self._made) >= KEPT_MOST:
                self._made = {}
            found = self._made[workspace] = self._new(workspace)
        return found

    def store(self, workspace: str = DEFAULT_WORKSPACE) -> MessageStore:
        """The store as this workspace sees it."""
        return scoped(self._store, workspace)

    def workspace_of(self, channel: str, account: str) -> str:
        """Whose the account is that the provider calls so; of one that nobody has, `default`."""
        return accounts_of(self._channels).workspace_of(channel, account)

    def _new(self, workspace: str) -> Acceptor:
        channels = accounts_of(self._channels).within(workspace)
        return Acceptor(self.store(workspace), scoped_log(self._log, workspace), self._settings, channels)
