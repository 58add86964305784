"""What the cause of a failure means for what comes next. Pure tables and rules; no I/O."""

from collections.abc import Mapping

# Temporary reasons with which the account itself is unable: waiting may take days, and another leg may do at once. Every other
# temporary one passes by itself, mostly within seconds: a leg waits for as long as it may.
ACCOUNT_UNABLE = frozenset({
    "account_blocked", "another_receiver", "credentials", "name_not_approved", "payment", "spam_limit",
})  # fmt: skip
# Of these, how long nothing is sent from the account after one of them, in seconds: it concerns whatever is sent from it, and
# trying on makes it worse. What concerns one person (`ecosystem_limit`) stops nobody else.
SUSPENDS_ACCOUNT: Mapping[str, float] = {
    "account_blocked": 900.0, "name_not_approved": 900.0, "payment": 900.0, "spam_limit": 3600.0,
}  # fmt: skip
# How often a message is sent again that failed after the provider took it, and how much longer each pause is than the last.
LATE_TRIES = 3
LATE_FACTOR = 4


def ends_leg(reason: str) -> bool:
    """Whether a leg that has a next one gives up for this reason, instead of waiting."""
    return reason in ACCOUNT_UNABLE


def late_pause_s(reason: str, late: Mapping[str, float], bounces: int) -> float | None:
    """How long after it failed later a message is sent again, for a reason of a channel's table `late`; None: not at all.

    `bounces`: how often it was.
    """
    first_s = late.get(reason)
    return None if first_s is None or bounces >= LATE_TRIES else first_s * LATE_FACTOR**bounces
