"""Whom a message reaches outside: the pure rules."""

import pytest

from chat4all.model.conversations import Conversation, ConversationType, Identity, Member, Membership, User, UserKind
from chat4all.model.messages import Recipient
from chat4all.services.acceptance.recipients import freeze, speaker
from tests.webapp.channels import both

CHANNELS = both()
W1 = Identity("whatsapp", "+491", "x", 1)
W2 = Identity("whatsapp", "+492", "x", 2, last_wrote_at=5)
I1 = Identity("instagram", "7", "x", 1, last_wrote_at=3)
NEW = Identity("whatsapp", "+499", "x", 1, verified=False, last_wrote_at=9)
GONE = Identity("pigeon", "9", "x", 1, last_wrote_at=9)
PERSON, CONTACT, CLIENT, INBOX = UserKind.PERSON, UserKind.CONTACT, UserKind.CLIENT, UserKind.INBOX


@pytest.mark.parametrize(
    ("kind", "owned", "asked", "reached"),
    [
        (PERSON, [W1], None, []),
        (CONTACT, [W1], None, [("whatsapp", "+491")]),
        (CONTACT, [I1, W1], None, [("instagram", "7")]),
        (CONTACT, [I1, W1, W2], None, [("whatsapp", "+492")]),
        (CONTACT, [NEW, W1], None, [("whatsapp", "+491")]),
        (CONTACT, [GONE, W1], None, [("whatsapp", "+491")]),
        (CONTACT, [], None, [("whatsapp", "")]),
        (CONTACT, [NEW], ["all"], [("whatsapp", "")]),
        (PERSON, [], ["all"], []),
        (PERSON, [I1, W1, W2, NEW, GONE], ["all"], [("instagram", "7"), ("whatsapp", "+491"), ("whatsapp", "+492")]),
        (PERSON, [I1, W1, W2], ["whatsapp"], [("whatsapp", "+492")]),
        (PERSON, [W1], ["whatsapp", "instagram"], [("whatsapp", "+491"), ("instagram", "")]),
        (CONTACT, [W1], ["instagram"], [("instagram", "")]),
        (CLIENT, [W1], ["whatsapp"], []),
        (INBOX, [W1], ["all"], []),
    ],
)
def test_who_is_reached_where(
    kind: UserKind, owned: list[Identity], asked: list[str] | None, reached: list[tuple[str, str]]
) -> None:
    """By kind of user, addresses and channels asked for: verified addresses of known channels only, never silence."""
    user = User("x", kind, 1)
    assert freeze(user, owned, asked, CHANNELS) == [Recipient("x", channel, address) for channel, address in reached]


@pytest.mark.parametrize(
    ("kind", "user", "called", "name"),
    [
        (ConversationType.PRIVATE, User("alice", PERSON, 1, "Alice"), "", ""),
        (ConversationType.GROUP, User("alice", PERSON, 1, "Alice"), "", "Alice"),
        (ConversationType.GROUP, User("alice", PERSON, 1), "", "alice"),
        (ConversationType.GROUP, User("contact-1", CONTACT, 1), "Carla", "Carla"),
        (ConversationType.GROUP, User("contact-1", CONTACT, 1), "", "Contact"),
    ],
)
def test_who_speaks_is_said_in_groups(kind: ConversationType, user: User, called: str, name: str) -> None:
    """By display name; never by an address or a made-up id."""
    membership = Membership(Conversation("c", kind, "alice", 1), 1, (Member("alice", 1),))
    assert speaker(membership, user, called) == name
