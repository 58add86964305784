"""What a broadcast will cost, before it starts: by the table of prices, as far as it says."""

import time

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.broadcasts import Broadcast
from chat4all.model.content import Template
from chat4all.model.drafts import read_payload
from chat4all.model.prices import Prices, Share
from chat4all.ports import MessageStore
from chat4all.services.accounts.live import accounts_of
from chat4all.services.broadcasts.audience import Audience
from chat4all.services.directory import People

PAGE = 500
# A request ends all the same: of more people the first ones are counted.
MOST_S = 5.0
# What is no template answers somebody.
SERVICE = "service"


class Estimate(Struct, frozen=True):
    """Whom it would reach now, by country; `passed_over`: who would get nothing. `is_complete`: all of them were looked at."""

    category: str
    shares: list[Share]
    passed_over: int
    is_complete: bool


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
    return Estimate(category, prices.shares(broadcast.channel, category, addresses), passed_over, is_complete)


def _category(store: MessageStore, people: People, broadcast: Broadcast) -> str:
    """That of its template, where it is known; empty: it is not."""
    payload = read_payload(broadcast.payload)
    if not isinstance(payload, Template):
        return SERVICE
    keys = [(each, payload.name, payload.language) for each in accounts_of(people.channels, broadcast.channel)]
    known = store.templates_named(keys)
    return next((known[key].category.lower() for key in keys if key in known), "")
