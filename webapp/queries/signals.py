"""Whom a signal of a conversation reaches: people on channels, where the newest messages came from or went to."""

from collections.abc import Iterable, Mapping, Sequence

from chat4all.model.callers import Caller
from chat4all.model.conversations import Membership
from chat4all.model.messages import Message
from chat4all.model.signals import READ, TYPING, Signal
from chat4all.ports import Channel, MessageStore
from chat4all.services.accounts.live import accounts_of
from chat4all.services.contacts.families import alike
from chat4all.services.directory import Address, People
from webapp.queries.history_pages import page_of

# How far back to look, and how many addresses are told: in a large group nobody watches who types.
LOOKED_AT = 50
MOST = 20


def typing(store: MessageStore, people: People, membership: Membership, caller: Caller) -> list[Signal]:
    """The caller types: for each other member, there where they were last written to or wrote from."""
    channels = people.channels
    messages = page_of(store, membership, caller, None, None, LOOKED_AT).messages[::-1]
    touched = [_places(message) for message in messages]
    found = people.standing.families({user_id for places in touched for user_id in places})
    newest: dict[str, list[Address]] = {}
    for user_id, places in (each for some in touched for each in some.items()):
        member = next(filter(membership.has, alike(found, user_id)), "")
        newest.setdefault(member, places)
    wanted = {place: member for member, places in newest.items() if member not in ("", caller.user_id) for place in places}
    heard = _heard(messages, channels)
    known = {place: (user, *heard.get(place, ("", "", ""))[1:]) for place, user in wanted.items()}
    return _signals(store, people, TYPING, known)


def read(store: MessageStore, people: People, membership: Membership, caller: Caller, up_to: int) -> list[Signal]:
    """The caller has read up to this seq: of each address the newest message up to there. Providers mark those before too."""
    messages = page_of(store, membership, caller, None, up_to + 1, LOOKED_AT).messages[::-1]
    heard = _heard(messages, people.channels)
    return _signals(store, people, READ, {place: each for place, each in heard.items() if each[0] != caller.user_id})


def _places(message: Message) -> dict[str, list[Address]]:
    """Where the message touched whom."""
    places: dict[str, list[Address]] = {}
    if message.origin and not message.origin.app:
        places[message.sender] = [(message.origin.channel, message.origin.address)]
    for each in message.recipients:
        if each.address:
            places.setdefault(each.user_id, []).append((each.channel, each.address))
    return places


def _heard(messages: Iterable[Message], channels: Mapping[str, Channel]) -> dict[Address, tuple[str, str, str]]:
    """Who wrote from each address, the provider's id of the newest such message, and to which account, if not the default."""
    heard: dict[Address, tuple[str, str, str]] = {}
    for message in messages:
        origin = message.origin
        channel = channels.get(origin.channel) if origin else None
        if not origin or origin.app or channel is None:
            continue
        is_default = channel.account.account_id == origin.account
        if is_default or accounts_of(channels).reading(origin.channel, origin.account) is not channel:
            account = "" if is_default else origin.account
            heard.setdefault((origin.channel, origin.address), (message.sender, origin.provider_id, account))
    return heard


def _signals(store: MessageStore, people: People, kind: str, wanted: Mapping[Address, tuple[str, str, str]]) -> list[Signal]:
    """Those that a channel has, to addresses that are still theirs. `wanted`: whose each is, the id, and the account."""
    channels = people.channels
    able: Sequence[Address] = [place for place in wanted if place[0] in channels and kind in channels[place[0]].limits.signals]
    able = able[:MOST]
    owners = store.owners(able) if able else {}
    found = people.standing.families(wanted[place][0] for place in able)
    theirs = [place for place in able if place in owners and owners[place].user_id in alike(found, wanted[place][0])]
    return [Signal(channel, kind, address, *wanted[channel, address][1:]) for channel, address in theirs]
