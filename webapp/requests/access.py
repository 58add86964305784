"""What the caller may read. What they may not read is answered 404, as if it did not exist, so that nothing leaks."""

from chat4all.model.callers import MANAGE
from chat4all.model.conversations import Membership
from chat4all.model.ids import is_uuid
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem


def visible(conversation_id: str) -> Membership:
    """The conversation's membership. Problem 422 for a malformed id, 404 when it does not exist for the caller."""
    if not is_uuid(conversation_id):
        raise Problem(422, "malformed_uuid", "a conversation_id is a UUID", "conversation_id")
    key = conversation_id.lower()
    found = gateway().store.memberships([key], caller().user_id).get(key)
    if found is None or not caller().may_see(found):
        raise Problem(404, "unknown_conversation", "there is no such conversation")
    return found


def check_member(membership: Membership) -> None:
    """Problem 403 unless the caller is a member now, or may manage all conversations. Who has left changes nothing."""
    who = caller()
    if not membership.has(who.user_id) and not who.has(MANAGE):
        raise Problem(403, "scope_needed", "you are no member of this conversation; others need scope manage")
