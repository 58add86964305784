"""What a broadcast will cost, before it starts: by the table of prices, as far as it says."""

import time

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.broadcasts import Broadcast
from chat4all.model.clock import now_ms
from chat4all.model.content import Template
from chat4all.model.daily_budgets import left
from chat4all.model.drafts import read_payload
from chat4all.model.prices import Prices, Share
from chat4all.ports import MessageStore
from chat4all.services.accounts.live import accounts_of
from chat4all.services.broadcasts.audience import Audience
from chat4all.services.broadcasts.daily_budget import all_broadcasts, budget_of
from chat4all.services.directory import People

PAGE = 500
# A request ends all the same: of more people the first ones are counted.
MOST_S = 5.0
# What is no template answers somebody.
SERVICE = "service"


class Estimate(Struct, frozen=True):
    """Whom it would reach now, by country; `passed_over`: who would get nothing. `is_complete`: all of them were looked at.

    `people_per_day`: the account's daily budget, 0 for none, of which `left` are left to its broadcasts now.
    """

    category: str
    shares: list[Share]
    passed_over: int
    is_complete: bool
    people_per_day: int = 0
    left: int = 0

    @property
    def messages(self) -> int:
        """How many."""
        return sum(each.messages for each in self.shares)

    @property
    def waits_days(self) -> int:
        """How many days pass at least until the last of them may be told."""
        return -(-max(0, self.messages - self.left) // self.people_per_day) if self.people_per_day else 0


def estimated(store: MessageStore, people: People, prices: Prices, broadcast: Broadcast) -> Estimate:
    """Count the audience as it is now. It says nothing of what the provider gives for free, such as answers within a window."""
    audience, addresses, passed_over = Audience(store, people), list[str](), 0
    place, ends = replace(broadcast, after=""), time.monotonic() + MOST_S
    while page := audience.page(place, PAGE):
        turns = audience.turns(place, page, {})
        addresses += [each.result.address.partition(":")[2] for each in turns if not each.why]
        passed_over += sum(bool(each.why) for each in turns)
        place = replace(place, after=page[-1])
        if len(page) < PAGE or time.monotonic() > ends:
            break
    category = _category(store, people, broadcast)
    is_complete = len(page) < PAGE
    shares = prices.shares(broadcast.channel, category, addresses)
    budget = budget_of(people.channels, broadcast.channel)
    return Estimate(category, shares, passed_over, is_complete, budget, _left(store, broadcast.channel, budget))


def _left(store: MessageStore, channel: str, budget: int) -> int:
    """Of a channel's daily budget."""
    spent = [each.spent for each in all_broadcasts(store) if each.channel == channel] if budget else []
    return max(0, left(budget, spent, now_ms()))


def _category(store: MessageStore, people: People, broadcast: Broadcast) -> str:
    """That of its template, where it is known; empty: it is not."""
    payload = read_payload(broadcast.payload)
    if not isinstance(payload, Template):
        return SERVICE
    keys = [(each, payload.name, payload.language) for each in accounts_of(people.channels).of_channel(broadcast.channel)]
    known = store.templates_named(keys)
    return next((known[key].category.lower() for key in keys if key in known), "")
