"""Makes messages: resolves what may change later, and freezes it. The one place where a `Message` is made of something new,
whether a client sends it or a provider brings it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from chat4all.model.clock import now_ms
from chat4all.model.content import MODIFIERS, Content, Edit
from chat4all.model.conversations import Identity, Membership, User, UserKind
from chat4all.model.merges import Family
from chat4all.model.messages import Message, Origin, Recipient
from chat4all.ports import Channel, MessageStore
from chat4all.services.acceptance.recipients import Via, freeze, speaker
from chat4all.services.acceptance.renditions import long_edits, rendered
from chat4all.services.acceptance.route_checks import Way, legs_of, rendered_first
from chat4all.services.accounts.live import accounts_of
from chat4all.services.contacts.families import alike
from chat4all.services.directory import People


class Proposal(Struct, frozen=True):
    """A message that has its conversation, while its recipients are not resolved.

    `channels`: those that the sender chose to reach people on; None: contacts only, where they wrote last. `limited`: the
    members that it is for; None: all. `route`: in place of channels. `via`: the account that sends.
    `name`: who speaks; None: said where somebody outside must be told, as in groups.
    """

    message_id: str
    sender: str
    payload: Content
    membership: Membership
    digest: str
    metadata: dict[str, Any] = {}
    channels: Sequence[str] | None = None
    limited: Sequence[str] | None = None
    name: str | None = None
    reply_to: str = ""
    origin: Origin | None = None
    forwarded: bool = False
    referral: dict[str, str] = {}
    visibility: str = ""
    via: Via | None = None
    route: Sequence[Way] = ()

    def reached(self, users: Mapping[str, User]) -> list[str]:
        """The members whose addresses must be known. Who writes is not told their own words.

        What is about another message goes to those whom that one reached: persist finds them (`tasks/stages/targets.py`).
        """
        return [
            each
            for each in self.membership.now()
            if each != self.sender
            and not self.visibility
            and not isinstance(self.payload, MODIFIERS)
            and (self.limited is None or each in self.limited)
            and (self.channels is not None or self.route or users[each].kind is UserKind.CONTACT)
        ]


def frozen(store: MessageStore, people: People, proposals: Sequence[Proposal]) -> list[Message]:
    """The messages of these proposals, in order: with recipients, addresses and parts as they are now."""
    users = people.users(each for proposal in proposals for each in proposal.membership.now())
    reached = [proposal.reached(users) for proposal in proposals]
    found = people.standing.families({each for some in reached for each in some})
    if found:
        reached = [_once(proposal.sender, some, found) for proposal, some in zip(proposals, reached, strict=True)]
    identities = addresses_of(store, {each for some in reached for each in some}, found)
    standing = {each: family.whole for family in found.values() for each in family.members}
    answers = answering(store, people.channels, [each for owned in identities.values() for each in owned])
    now = now_ms()
    pairs = zip(proposals, reached, strict=True)

    def unreached(identity: Identity) -> str:
        return standing[identity.user_id].unreached(identity) if identity.user_id in standing else ""

    return [_made(proposal, some, users, identities, people.channels, answers, unreached, now) for proposal, some in pairs]


def addresses_of(
    store: MessageStore, user_ids: Collection[str], found: Mapping[str, Family]
) -> Mapping[str, Sequence[Identity]]:
    """All addresses of each of these, and of whom they are one with as far as that was `found`."""
    wanted = {other for each in user_ids for other in alike(found, each)}
    kept = store.identities(list(wanted)) if wanted else {}
    return {each: [place for other in alike(found, each) for place in kept[other]] for each in user_ids} if found else kept


def _once(sender: str, reached: Sequence[str], found: Mapping[str, Family]) -> list[str]:
    """These without who is the same person as the sender, or as one before them: nobody is told a message twice."""
    heard, kept = {sender}, []
    for each in reached:
        if heard.isdisjoint(alike(found, each)):
            heard.add(each)
            kept.append(each)
    return kept


def answering(store: MessageStore, channels: Mapping[str, Channel], owned: Sequence[Identity]) -> Callable[[Identity], str]:
    """The account that answers each of these addresses: the one that it wrote to last, else its channel's default.

    Reads nothing where channels have one account each.
    """
    asked = [(each.channel, each.address) for each in owned if accounts_of(channels).has_choice(each.channel)]
    wrote = store.last_wrote(asked) if asked else {}

    def answers(identity: Identity) -> str:
        return accounts_of(channels).sends_from(identity.channel, wrote.get((identity.channel, identity.address), {}))

    return answers


def _made(
    proposal: Proposal,
    reached: Sequence[str],
    users: Mapping[str, User],
    identities: Mapping[str, Sequence[Identity]],
    channels: Mapping[str, Channel],
    answers: Callable[[Identity], str],
    unreached: Callable[[Identity], str],
    now: int,
) -> Message:

    def addressed(asked: Sequence[str] | None, via: Via | None) -> list[Recipient]:
        return [
            each for name in reached for each in freeze(users[name], identities[name], asked, channels, via, answers, unreached)
        ]

    legs = [addressed([way.via.channel], way.via if way.via.account else None) for way in proposal.route]
    outside = legs[0] if legs else addressed(proposal.channels, proposal.via)
    name = proposal.name
    if name is None:
        goes_out = outside or isinstance(proposal.payload, MODIFIERS)
        name = speaker(proposal.membership, users[proposal.sender]) if goes_out else ""
    if proposal.route and proposal.route[0].payload:
        recipients, renditions = rendered_first(proposal.route[0].payload, name, outside, channels)
    else:
        recipients, renditions = rendered(proposal.payload, name, outside, channels)
    by_channel: dict[str, int] = {}
    if isinstance(proposal.payload, Edit):
        by_channel, renditions = long_edits(proposal.payload, name, channels)
    return Message(
        message_id=proposal.message_id,
        conversation_id=proposal.membership.conversation.conversation_id,
        sender=proposal.sender,
        payload=proposal.payload,
        members_version=proposal.membership.version,
        accepted_at=now,
        recipients=recipients,
        metadata=proposal.metadata,
        digest=proposal.digest,
        sender_name=name,
        renditions=renditions,
        reply_to=proposal.reply_to,
        origin=proposal.origin,
        forwarded=proposal.forwarded,
        referral=proposal.referral,
        by_channel=by_channel,
        visibility=proposal.visibility,
        route=legs_of(proposal.route, legs, proposal.payload, name, channels) if outside and legs else (),
    )
