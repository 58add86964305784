"""What filters ask that no event says itself: labels, and what account a channel sends from. Read only where one asks."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from chat4all.channels import CHANNELS
from chat4all.model.events import FORWARDED, Event
from chat4all.model.handling import Handling
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.ports import MessageStore
from chat4all.ports.webhooks import Webhook
from chat4all.services.accounts.live import LiveChannels, all_accounts
from chat4all.settings import SettingsError
from tasks.webhooks.matching import Known

# Has this done by a thread.
Ask = Callable[[Callable[[], Any]], Awaitable[Any]]


class Knowledge:
    """Of one process."""

    def __init__(self, store: MessageStore, live: LiveChannels) -> None:
        self._store, self._live = store, live

    async def of(self, webhooks: Iterable[Webhook], events: Iterable[Event], ask: Ask) -> Known:
        """What the filters of these endpoints ask of these events, as it is now. Raises Temporary, if `ask` does."""
        filters = [each.filter for each in webhooks]
        events = list(events)
        names = sorted({each.conversation_id for each in events if each.conversation_id})
        handlings: Mapping[str, Handling] = {}
        accounts: Mapping[str, frozenset[str]] = {}
        if names and any(each.labels for each in filters):
            handlings = await ask(lambda: self._store.handlings(names))
        if any(each.accounts for each in filters):
            accounts = await ask(self._accounts)
        forwarded = any(each.kind == FORWARDED for each in events)
        workspaces = await ask(self._workspaces) if forwarded else {}
        return Known({name: each.labels for name, each in handlings.items()}, accounts, workspaces)

    def _workspaces(self) -> dict[str, str]:
        """Whose accounts are that are not of `default`, by the provider's id."""
        rows = all_accounts(self._store) if self._store.accounts_changed() else iter(())
        return {each.provider_account_id: each.workspace for each in rows if each.workspace != DEFAULT_WORKSPACE}

    def _accounts(self) -> dict[str, frozenset[str]]:
        """What each account is called: by us, and by the provider. The environment's by its channel's name."""
        found: dict[str, frozenset[str]] = {}
        for channel in CHANNELS:
            with suppress(SettingsError):
                used = self._live.used(channel)
                names = {each.account_id or channel: each.provider_account_id for each in used}
                found |= {account: frozenset({account, name}) for account, name in names.items()}
        return found
