"""What becomes of a message where windows are shut: refused if it reaches nobody; or a template goes in its place."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from chat4all.model.callers import Caller
from chat4all.model.clock import rfc3339
from chat4all.model.content import Template, type_of
from chat4all.model.conversations import Identity
from chat4all.model.drafts import HELD_MOST_S, Draft
from chat4all.model.messages import Message, Recipient
from chat4all.model.windows import Window
from chat4all.ports import Channel, MessageStore
from chat4all.ports.accounts import HUMAN_AGENT
from chat4all.services.acceptance.draft_work import Work
from chat4all.services.acceptance.unreached import reads_here
from chat4all.services.accounts.live import accounts_of
from chat4all.services.directory import Address, People
from chat4all.services.windows import windows

MEND = "wait until they write, have it held until then, or send a template"
TEMPLATE = "template"
LACKING = (
    "after 24 hours only what people write may go, and only where the provider granted the app that: ask Meta for the feature "
    "Human Agent, and say it of the account (features.human_agent)"
)


def keep_to_windows(store: MessageStore, people: People, caller: Caller, works: Sequence[Work]) -> None:
    """Refuse those, and give the others what goes instead. Reads nothing where no channel of theirs has windows."""
    for work in works:
        work.message = work.message and _said_by(caller, people.channels, _bounded(work.draft, work.message))
    bound = [(work, work.message, found) for work in works if work.message and (found := _bound(people.channels, work))]
    if not bound:
        return
    places = list(dict.fromkeys(_place(each) for *_, found in bound for each in found))
    owned, now = store.owners(places), people.clock()
    usual = windows(store, people.channels, list(owned.values()))
    for work, message, found in bound:
        known = _towards_chosen(store, people, found, owned) if work.draft.via else usual
        shut = [each for each in found if not _may_go(known.get(_place(each)), each, now)]
        instead = work.draft.outside_window
        if instead:
            led = [each for each in shut if TEMPLATE in people.channels[each.channel].limits.window.exempt]
            work.message = _in_place(message, led, instead)
            shut = [each for each in shut if each not in led]
        if shut and len(shut) == sum(bool(each.address) for each in message.recipients) and not reads_here(people, work):
            if caller.is_human and all(_lacks_feature(known.get(_place(each)), now) for each in shut):
                work.refuse(422, "human_agent_missing", LACKING, "outside_window")
                continue
            newest = max((known[place].last_wrote_at for place in map(_place, shut) if place in known), default=0)
            work.refuse(422, "outside_window", f"{_said(newest)}: {MEND}", "outside_window")


def _bounded(draft: Draft, message: Message) -> Message:
    """The message with whether it is held, and until when it is sent."""
    if not draft.holds and not draft.expires_in:
        return message
    expires_at = message.accepted_at + 1000 * (draft.expires_in or HELD_MOST_S)
    return replace(message, holds=draft.holds, expires_at=expires_at)


def _said_by(caller: Caller, channels: Mapping[str, Channel], message: Message) -> Message:
    """The message, marked for those whose accounts may write after the window where a person does."""
    if not caller.is_human or not any(_may_be_human(channels, each) for each in message.recipients):
        return message
    marked = (replace(each, as_human=True) if _may_be_human(channels, each) else each for each in message.recipients)
    return replace(message, recipients=tuple(marked))


def _may_be_human(channels: Mapping[str, Channel], each: Recipient) -> bool:
    if not each.address or not channels[each.channel].limits.window.human_s:
        return False
    return HUMAN_AGENT in accounts_of(channels).features(each.channel, each.account)


def _towards_chosen(
    store: MessageStore, people: People, found: Sequence[Recipient], owned: Mapping[Address, Identity]
) -> dict[Address, Window]:
    """The windows towards the account that the sender chose, where they are of its channel."""
    theirs = [owned[place] for each in found if (place := (each.channel, each.address)) in owned]
    known = windows(store, people.channels, theirs)
    for channel, account in {(each.channel, each.account) for each in found}:
        there = [each for each in theirs if each.channel == channel]
        known |= windows(store, people.channels, there, accounts_of(people.channels).of(channel, account).provider_account_id)
    return known


def _bound(channels: Mapping[str, Channel], work: Work) -> list[Recipient]:
    """Whom it reaches only while a window is open. Nobody where others get it anyway, and nothing goes instead; and nobody
    of a route, where the next leg takes over.
    """
    if work.draft.route:
        return []
    reached = [each for each in work.message.recipients if each.address] if work.message else []
    rules = {each.channel: channels[each.channel].limits.window for each in reached}
    kind = type_of(work.payload)
    found = [each for each in reached if rules[each.channel].open_s and kind not in rules[each.channel].exempt]
    refusable = len(found) == len(reached) and not work.draft.holds
    return found if refusable or work.draft.outside_window else []


def _in_place(message: Message, shut: Sequence[Recipient], template: Template) -> Message:
    """The message with the template for these recipients, as a rendition of its own."""
    if not shut:
        return message
    renditions = (*message.renditions, (template,))
    recipients = [replace(each, rendition=len(renditions)) if each in shut else each for each in message.recipients]
    return replace(message, renditions=renditions, recipients=tuple(recipients))


def _place(recipient: Recipient) -> Address:
    return recipient.channel, recipient.address


def _may_go(window: Window | None, recipient: Recipient, now: int) -> bool:
    return window is not None and (window.is_open(now) or (recipient.as_human and window.needs_human(now)))


def _lacks_feature(window: Window | None, now: int) -> bool:
    """Of what is shut: whether people could write there."""
    return window is not None and window.needs_human(now)


def _said(newest: int) -> str:
    return (
        f"the last message of whom this goes to came at {rfc3339(newest)}" if newest else "nobody whom this goes to has written"
    )
