"""A message that reaches nobody, because the windows of all whom it goes to are shut, is refused where it is accepted."""

from collections.abc import Mapping, Sequence

from chat4all.model.clock import rfc3339
from chat4all.model.content import type_of
from chat4all.model.conversations import UserKind
from chat4all.model.messages import Recipient
from chat4all.model.windows import Window
from chat4all.ports import Channel, MessageStore
from chat4all.services.acceptance.draft_work import Work
from chat4all.services.directory import Address, People
from chat4all.services.windows import windows

MEND = "wait until they write, or send a template"


def refuse_shut(store: MessageStore, people: People, works: Sequence[Work]) -> None:
    """Refuse those. Reads nothing where no channel of theirs has windows."""
    bound = [(work, found) for work in works if (found := _bound(people.channels, work))]
    if not bound:
        return
    places = list(dict.fromkeys((each.channel, each.address) for _, found in bound for each in found))
    known = windows(store, people.channels, list(store.owners(places).values()))
    now = people.clock()
    for work, found in bound:
        shut = [place for each in found if not _is_open(known, place := (each.channel, each.address), now)]
        if len(shut) == len(found) and not _reads_here(people, work):
            newest = max((known[place].last_wrote_at for place in shut if place in known), default=0)
            work.refuse(422, "outside_window", f"{_said(newest)}: {MEND}", "outside_window")


def _bound(channels: Mapping[str, Channel], work: Work) -> list[Recipient]:
    """All whom the message goes to outside, if it goes to each by a channel whose windows bind it; else nobody."""
    message = work.message
    reached = [each for each in message.recipients if each.address] if message else []
    rules = {each.channel: channels[each.channel].limits.window for each in reached}
    kind = type_of(work.payload)
    return reached if all(rule.open_s and kind not in rule.exempt for rule in rules.values()) else []


def _is_open(known: Mapping[Address, Window], place: Address, now: int) -> bool:
    return place in known and known[place].is_open(now)


def _reads_here(people: People, work: Work) -> bool:
    """Whether somebody gets it in their own client too."""
    membership, message = work.membership, work.message
    others = [each for each in membership.now() if each != work.sender] if membership and message else []
    users = people.users(others)
    return any(users[each].kind is UserKind.PERSON and (work.limited is None or each in work.limited) for each in others)


def _said(newest: int) -> str:
    return (
        f"the last message of whom this goes to came at {rfc3339(newest)}" if newest else "nobody whom this goes to has written"
    )
