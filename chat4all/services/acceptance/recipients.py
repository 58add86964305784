"""Whom a message reaches outside, and where: pure rules over what was looked up."""

from collections.abc import Iterable, Mapping, Sequence

from chat4all.model.conversations import ConversationType, Identity, Membership, User, UserKind
from chat4all.model.display_names import cleaned
from chat4all.model.messages import Recipient
from chat4all.ports import Channel

ALL = "all"


def freeze(
    user: User, identities: Sequence[Identity], asked: Sequence[str] | None, channels: Mapping[str, Channel]
) -> list[Recipient]:
    """One member's external recipients for the channels asked for (None: left out).

    Persons and contacts only: a service client or an inbox reads here. A contact is always reached in some way, if only
    to fail with `no_identity`.
    """
    if user.kind not in (UserKind.PERSON, UserKind.CONTACT):
        return []
    verified = [each for each in identities if each.verified and each.channel in channels]
    if asked is None:
        chosen = [newest(verified)] if user.kind is UserKind.CONTACT and verified else []
    elif list(asked) == [ALL]:
        chosen = verified
    else:
        return [_on(name, user, verified) for name in asked]
    if not chosen and user.kind is UserKind.CONTACT:
        return [Recipient(user.user_id, next(iter(channels), ""))]
    return [Recipient(user.user_id, each.channel, each.address) for each in chosen]


def newest(identities: Sequence[Identity]) -> Identity:
    """The identity that wrote to us last; among those that never did, the first."""
    return max(identities, key=lambda each: each.last_wrote_at)


def _on(channel: str, user: User, verified: Iterable[Identity]) -> Recipient:
    there = [each for each in verified if each.channel == channel]
    return Recipient(user.user_id, channel, newest(there).address if there else "")


def speaker(membership: Membership, user: User, called: str = "") -> str:
    """The sender's name for external readers: set in groups, where they must be told who speaks."""
    if membership.conversation.type is not ConversationType.GROUP:
        return ""
    fallback = "Contact" if user.kind is UserKind.CONTACT else user.user_id
    return cleaned(user.display_name) or cleaned(called) or fallback
