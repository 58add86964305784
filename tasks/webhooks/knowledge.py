"""What filters ask that no event says itself: labels, and what account a channel sends from. Read only where one asks."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from chat4all.channels import CHANNELS
from chat4all.model.events import Event
from chat4all.model.handling import Handling
from chat4all.ports import MessageStore
from chat4all.ports.webhooks import Webhook
from chat4all.services.accounts.live import LiveChannels
from chat4all.settings import Settings, SettingsError
from tasks.webhooks.matching import Known

# Has this done by a thread.
Ask = Callable[[Callable[[], Any]], Awaitable[Any]]


class Knowledge:
    """Of one process."""

    def __init__(self, settings: Settings, store: MessageStore) -> None:
        self._store, self._live = store, LiveChannels(settings, store, every_s=0)

    async def of(self, webhooks: Iterable[Webhook], events: Iterable[Event], ask: Ask) -> Known:
        """What the filters of these endpoints ask of these events, as it is now. Raises Temporary, if `ask` does."""
        filters = [each.filter for each in webhooks]
        names = sorted({each.conversation_id for each in events if each.conversation_id})
        handlings: Mapping[str, Handling] = {}
        accounts: Mapping[str, frozenset[str]] = {}
        if names and any(each.labels for each in filters):
            handlings = await ask(lambda: self._store.handlings(names))
        if any(each.accounts for each in filters):
            accounts = await ask(lambda: {name: self._accounts(name) for name in CHANNELS})
        return Known({name: each.labels for name, each in handlings.items()}, accounts)

    def _accounts(self, channel: str) -> frozenset[str]:
        """The account that a channel sends from: as the provider calls it, and as we do."""
        try:
            found = self._live.in_force(channel)
        except SettingsError:
            return frozenset()
        return frozenset({found.channel.account.account_id, found.account.account_id if found.account else ""} - {""})
