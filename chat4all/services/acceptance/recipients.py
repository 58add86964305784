"""Whom a message reaches outside, and where: pure rules over what was looked up."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from chat4all.channels import CHANNELS
from chat4all.model.conversations import ConversationType, Identity, Membership, User, UserKind
from chat4all.model.display_names import cleaned
from chat4all.model.messages import Recipient
from chat4all.ports import Channel

ALL = "all"


class Via(Struct, frozen=True):
    """An account that a sender chose, as messages name it, and its channel."""

    channel: str
    account: str


def freeze(
    user: User,
    identities: Sequence[Identity],
    asked: Sequence[str] | None,
    channels: Mapping[str, Channel],
    via: Via | None = None,
    answers: Callable[[Identity], str] = lambda _: "",
) -> list[Recipient]:
    """One member's external recipients for the channels asked for (None: left out).

    Persons and contacts only: a service client or an inbox reads here. A contact is always reached in some way, if only
    to fail with `no_identity`. `via`: the account that is to send, where nothing else is asked for also the only channel.
    `answers`: the account that answers an address, as messages name it.
    """
    if user.kind not in (UserKind.PERSON, UserKind.CONTACT):
        return []
    verified = [each for each in identities if each.verified and each.channel in channels]
    if asked is None:
        possible = [each for each in verified if via is None or each.channel == via.channel]
        chosen = [newest(possible)] if user.kind is UserKind.CONTACT and possible else []
    elif list(asked) == [ALL]:
        chosen = verified
    else:
        return [_on(name, user, verified, via, answers) for name in asked]
    if not chosen and user.kind is UserKind.CONTACT:
        return [Recipient(user.user_id, via.channel if via else next(iter(channels or CHANNELS)))]
    return [_to(user, each, via, answers) for each in chosen]


def _to(user: User, identity: Identity, via: Via | None, answers: Callable[[Identity], str]) -> Recipient:
    channel = identity.channel
    account = via.account if via and via.channel == channel else answers(identity)
    return Recipient(user.user_id, channel, identity.address, account=account)


def newest(identities: Sequence[Identity]) -> Identity:
    """The identity that wrote to us last; among those that never did, the first."""
    return max(identities, key=lambda each: each.last_wrote_at)


def _on(
    channel: str, user: User, verified: Iterable[Identity], via: Via | None, answers: Callable[[Identity], str]
) -> Recipient:
    there = [each for each in verified if each.channel == channel]
    return _to(user, newest(there), via, answers) if there else Recipient(user.user_id, channel)


def speaker(membership: Membership, user: User, called: str = "") -> str:
    """The sender's name for external readers: set in groups, where they must be told who speaks."""
    if membership.conversation.type is not ConversationType.GROUP:
        return ""
    fallback = "Contact" if user.kind is UserKind.CONTACT else user.user_id
    return cleaned(user.display_name) or cleaned(called) or fallback
