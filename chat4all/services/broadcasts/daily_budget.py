"""What broadcasts have spent of the people that their account may write to first within a day."""

from collections.abc import Iterator, Mapping

from chat4all.model.account_health import TIER
from chat4all.model.broadcasts import Broadcast
from chat4all.model.daily_budgets import people_per_day
from chat4all.ports import Channel, MessageStore
from chat4all.services.accounts.live import accounts_of

PAGE = 200


def budget_of(channels: Mapping[str, Channel], name: str) -> int:
    """Of the channel's default account: what is set for it, or for the channel, or what the provider says; 0: no limit."""
    found = accounts_of(channels).in_force(name)
    set_here = found.account.limits.people_per_day if found.account else 0
    provider_says = people_per_day(found.account.health.get(TIER, "")) if found.account else 0
    return set_here or found.channel.limits.people_per_day or provider_says


def all_broadcasts(store: MessageStore) -> Iterator[Broadcast]:
    """All broadcasts. They are few."""
    after = ""
    while page := store.broadcasts(PAGE, after):
        yield from page
        after = page[-1].broadcast_id
