"""What a run came to, as seen from outside: the words that load, outcome and checker share."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

RANKS = {"PENDING": 0, "SENT": 1, "CANCELLED": 2, "FAILED": 2, "DELIVERED": 3, "READ": 4}
# The furthest that a channel ever tells: what Telegram took is SENT for good, Messenger names no message that was read.
FURTHEST = {"telegram": "SENT", "messenger": "DELIVERED"}
# The channel of a member's own client.
OWN = "chat4all"


class Accepted(Struct, frozen=True):
    """A message that was acknowledged, whom it must reach, and how. `number` is its place in its conversation.

    `at`: when the acknowledgement came, in milliseconds UTC. `text` and `file` (its id): what was said, "" for not asked.
    """

    message_id: str
    conversation_id: str
    number: int
    readers: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    at: int = 0
    text: str = ""
    file: str = ""


class Arrival(Struct, frozen=True):
    """A message came to somebody: to a provider for an address, or to a reader's stream. In order of arrival.

    `at`: when, in milliseconds UTC. `text`: the words that came, "" for not asked. `account`: at a provider, the number, page
    or bot that it came from: what one person gets from two of them is in two orders.
    """

    to: str
    conversation_id: str
    message_id: str
    at: int = 0
    text: str = ""
    account: str = ""


class Kept(Struct, frozen=True):
    """A message as the history of a conversation has it."""

    message_id: str
    seq: int
    text: str = ""
    file: str = ""


class Told(Struct, frozen=True):
    """A reader was told a delivery's state. In order of telling. `delivery` names it, where a resend is another."""

    reader: str
    message_id: str
    recipient: str
    channel: str
    state: str
    delivery: str = ""


class Position(Struct, frozen=True):
    """A reader was told how far somebody has come in a conversation. In order of telling."""

    reader: str
    conversation_id: str
    user: str
    delivered: int
    read: int


class Ended(Struct, frozen=True):
    """A delivery's state at the end of the run, and the reason of a failure.

    `refused`: it had FAILED on the way, and may have been sent again by hand.
    """

    message_id: str
    recipient: str
    channel: str
    state: str
    conversation_id: str = ""
    seq: int = 0
    refused: bool = False
    reason: str = ""


class Resumed(Struct, frozen=True):
    """Somebody came back with an old cursor. `owed`: messages that were told after it; `came`: those told since, in order.

    `told`: states told since.
    """

    reader: str
    owed: Sequence[str]
    came: Sequence[str]
    told: Sequence[Told] = ()


class Carried(Struct, frozen=True):
    """A file that somebody sent, and what a reader got of it: checksums."""

    file_id: str
    sent: str
    got: str


class History(Struct, frozen=True):
    """A run as seen from outside. Without `positions` nothing is said of what readers were told of their members' clients.

    `kept`: what the history of each conversation that was asked for has, whoever said it, in the order in which it tells it.
    `withdrawn`: (message, to) of which everybody was told that they will not come, because their account was removed.
    """

    accepted: Sequence[Accepted]
    arrivals: Sequence[Arrival]
    seen: Sequence[Arrival]
    told: Sequence[Told] = ()
    ended: Sequence[Ended] = ()
    positions: Sequence[Position] = ()
    resumed: Sequence[Resumed] = ()
    files: Sequence[Carried] = ()
    kept: Mapping[str, Sequence[Kept]] = {}
    withdrawn: frozenset[tuple[str, str]] = frozenset()


def has_ended(delivery: Ended) -> bool:
    """Whether it has come as far as its channel tells."""
    return delivery.state == "FAILED" or RANKS[delivery.state] >= RANKS[FURTHEST.get(delivery.channel, "READ")]
