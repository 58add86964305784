"""When the members of a conversation may be written to on their channels."""

from collections.abc import Iterator, Sequence
from typing import Any

from chat4all.model.clock import rfc3339
from chat4all.model.conversations import Identity, Membership, UserKind
from chat4all.model.windows import Window
from chat4all.ports import MessageStore
from chat4all.ports.accounts import HUMAN_AGENT
from chat4all.services.acceptance.frozen_messages import addresses_of, answering
from chat4all.services.acceptance.recipients import newest
from chat4all.services.accounts.live import accounts_of
from chat4all.services.directory import People
from chat4all.services.windows import windows


def windows_of(store: MessageStore, people: People, membership: Membership, now: int) -> list[dict[str, Any]]:
    """As the API shows them, of each member and channel the address that a message would go to."""
    users = people.users(membership.now())
    outside = [name for name in membership.now() if users[name].kind in (UserKind.PERSON, UserKind.CONTACT)]
    owned = addresses_of(store, outside, people.standing.families(outside))
    reached = [each for name in outside for each in _reached(people, owned[name])]
    found = windows(store, people.channels, reached)
    answers = answering(store, people.channels, reached)
    return [_shown(people, each, answers(each), found[each.channel, each.address], now) for each in reached]


def _reached(people: People, owned: Sequence[Identity]) -> Iterator[Identity]:
    verified = [each for each in owned if each.verified and each.channel in people.channels]
    for channel in dict.fromkeys(each.channel for each in verified):
        yield newest([each for each in verified if each.channel == channel])


def _shown(people: People, identity: Identity, account_id: str, window: Window, now: int) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "recipient": identity.user_id,
        "channel": identity.channel,
        "account": accounts_of(people.channels).of(identity.channel, account_id).provider_account_id,
        "open": window.is_open(now),
    }
    times = {"open_until": window.open_until, "last_wrote_at": window.last_wrote_at}
    if HUMAN_AGENT in accounts_of(people.channels).features(identity.channel, account_id):
        times["human_until"] = window.human_until
    return shown | {name: rfc3339(at) for name, at in times.items() if at}
