"""Checks how far a reader says they have come in a conversation."""

from chat4all.model.callers import Caller
from chat4all.model.drafts import Refused
from chat4all.ports import MessageStore

KINDS = ("delivered", "read")


def position_fault(store: MessageStore, caller: Caller, conversation_id: str, kind: str, up_to: int) -> Refused | None:
    """Why `up_to` (a seq) cannot be how far this caller has come; None when it can.

    Those who answer have positions of their own where they are no members.
    """
    if kind not in KINDS:
        return Refused(422, "invalid", f"one of {', '.join(KINDS)}", "kind")
    membership = store.memberships([conversation_id], caller.user_id).get(conversation_id)
    was_member = membership is not None and any(each.user_id == caller.user_id for each in membership.members)
    if membership is None or not (was_member or caller.is_team):
        return Refused(404, "unknown_conversation", "there is no such conversation")
    if not (membership.has(caller.user_id) or caller.is_team):
        return Refused(403, "not_a_member", "you are no member of this conversation any more")
    if not 0 <= up_to <= store.last_seqs([conversation_id]).get(conversation_id, -1):
        return Refused(422, "position_in_the_future", "no message has come that far", "up_to")
    return None
