"""Whom a message reaches outside, and where: pure rules over what was looked up."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

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
    unreached: Callable[[Identity], str] = lambda _: "",
) -> list[Recipient]:
    """One member's external recipients for the channels asked for (None: left out). `identities`: theirs, and of whom they are
    one with; each is told as whose it is.

    Persons and contacts only: a service client or an inbox reads here. A contact is always reached in some way, if only
    to fail with `no_identity`. `via`: the account that is to send, where nothing else is asked for also the only channel.
    `answers`: the account that answers an address, as messages name it. `unreached`: why an address is known to be reached by
    nobody now; empty: it may be reached, and is preferred.
    """
    if user.kind not in (UserKind.PERSON, UserKind.CONTACT):
        return []
    verified = [each for each in identities if each.verified and each.channel in channels]
    to = partial(_to, via, answers, unreached)
    if asked is None:
        possible = [each for each in verified if via is None or each.channel == via.channel]
        chosen = [_best(possible, unreached)] if user.kind is UserKind.CONTACT and possible else []
    elif list(asked) == [ALL]:
        chosen = verified
    else:
        on = {name: [each for each in verified if each.channel == name] for name in asked}
        return [to(_best(there, unreached)) if there else Recipient(user.user_id, name) for name, there in on.items()]
    if not chosen and user.kind is UserKind.CONTACT:
        return [Recipient(user.user_id, via.channel if via else next(iter(channels or CHANNELS)))]
    return [to(each) for each in chosen]


def _to(
    via: Via | None, answers: Callable[[Identity], str], unreached: Callable[[Identity], str], identity: Identity
) -> Recipient:
    channel, why = identity.channel, unreached(identity)
    account = via.account if via and via.channel == channel else answers(identity)
    return Recipient(identity.user_id, channel, "" if why else identity.address, account=account, unreached=why)


def _best(identities: Sequence[Identity], unreached: Callable[[Identity], str]) -> Identity:
    """The newest of those that may be reached; where none may, of all."""
    return newest([each for each in identities if not unreached(each)] or identities)


def newest(identities: Sequence[Identity]) -> Identity:
    """The identity that wrote to us last; among those that never did, the first."""
    return max(identities, key=lambda each: each.last_wrote_at)


def speaker(membership: Membership, user: User, called: str = "") -> str:
    """The sender's name for external readers: set in groups, where they must be told who speaks."""
    if membership.conversation.type is not ConversationType.GROUP:
        return ""
    fallback = "Contact" if user.kind is UserKind.CONTACT else user.user_id
    return cleaned(user.display_name) or cleaned(called) or fallback
