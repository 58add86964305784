"""Pages of a conversation's history: what the caller may read, resends and modifiers left out, also where that skips a lot."""

import re

from msgspec import Struct

from chat4all.model.callers import Caller
from chat4all.model.clock import from_rfc3339
from chat4all.model.conversations import Membership
from chat4all.model.messages import Message
from chat4all.model.slots import rows
from chat4all.ports import MessageStore
from webapp.requests.problems import Problem

SEQ = re.compile(r"[0-9]{1,18}")
READ_AT_ONCE = 200
# A page of a large group ends early: each recipient is a row to look up.
RECIPIENTS_MOST = 5000


class Page(Struct, frozen=True):
    """Messages, ascending, and the seq from which to ask on in the same direction."""

    messages: list[Message]
    next: int | None = None


def place_of(store: MessageStore, conversation_id: str, given: str | None, field: str) -> int | None:
    """The seq that a seq or a time means: all messages up to it were accepted at or before the time. None if not given.

    Problem 422 for a number beyond the conversation's last seq: it is no place here but, most likely, a time in milliseconds.
    """
    if given is None:
        return None
    if SEQ.fullmatch(given):
        newest = store.last_seqs([conversation_id]).get(conversation_id, 0) + (field == "before")
        if int(given) > newest:
            raise Problem(
                422, "invalid", f"no seq here is beyond {newest}; a time is written as in 2026-03-01T12:00:00Z", field
            )
        return int(given)
    try:
        at = from_rfc3339(given)
    except (ValueError, OverflowError):
        raise Problem(422, "invalid", "a seq, or an RFC 3339 time with its zone (write + as %2B)", field) from None
    last = _last_at(store, conversation_id, at)
    return last if field == "since" else last + 1


def _last_at(store: MessageStore, conversation_id: str, at_ms: int) -> int:
    """The highest seq accepted at or before a time, by halving: times grow with seqs."""
    low, high = 0, store.last_seqs([conversation_id]).get(conversation_id, 0)
    while low < high:
        middle = (low + high) // 2
        found = store.page(conversation_id, middle, None, 1)
        if not found or found[0].accepted_at > at_ms:
            high = middle
        else:
            low = found[0].seq
    return low


def page_of(
    store: MessageStore, membership: Membership, caller: Caller, after: int | None, before: int | None, limit: int
) -> Page:
    """The page after a seq, before one, or the latest."""
    taken: list[Message] = []
    recipients = 0
    ascending = after is not None
    while True:
        wanted = READ_AT_ONCE if taken else limit + 1
        found = store.page(membership.conversation.conversation_id, after, before, wanted)
        for message in found if ascending else reversed(found):
            if not shown(message, membership, caller):
                continue
            recipients += rows(message)
            if len(taken) == limit or (taken and recipients > RECIPIENTS_MOST):
                return Page(taken if ascending else taken[::-1], taken[-1].seq)
            taken.append(message)
        if len(found) < wanted:
            return Page(taken if ascending else taken[::-1])
        after, before = (found[-1].seq, before) if ascending else (after, found[0].seq)


def shown(message: Message, membership: Membership, caller: Caller) -> bool:
    """Whether the caller reads this message. A resend is part of the message that it sends again, a modifier of its target."""
    if message.is_of_another or (message.is_internal and not caller.is_team):
        return False
    return caller.sees_all or membership.may_read(caller.user_id, message.members_version)
