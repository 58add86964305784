"""Who comes into a conversation, and telling connected readers about it."""

from collections.abc import Callable, Sequence

from chat4all.model.conversations import ConversationType, Membership, UserKind
from chat4all.model.failures import Temporary, Unknown
from chat4all.services.acceptance.conversation_events import conversation_record
from chat4all.services.directory import Address
from chat4all.telemetry import logs
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem

log = logs.logger(__name__)

ANNOUNCE_TIMEOUT_S = 0.5
TRIES = 10


def resolved(members: Sequence[str]) -> dict[str, Address | None]:
    """User ids, each with the address that it was named by. Strangers' addresses become contacts.

    Problem 422 for a bad address, an unknown user or somebody named twice; 403 where addresses are not allowed. Contacts do
    not exist for those who may not name addresses: their ids follow from these.
    """
    people = gateway().people
    _check_allowed(members)
    places = {text: _parse(text) for text in members if ":" in text}
    owners = people.owners(dict.fromkeys(places.values(), "")) if places else {}
    found: dict[str, Address | None] = {}
    for text in members:
        user_id = owners[places[text]] if text in places else text
        if user_id in found:
            raise Problem(422, "duplicate_member", "somebody is named twice", "members")
        found[user_id] = places.get(text)
    _check_known(list(found))
    return found


def _check_allowed(members: Sequence[str]) -> None:
    if not caller().sees_all and any(":" in text for text in members):
        raise Problem(403, "scope_needed", "naming an address needs a service client", "members")


def _parse(text: str) -> Address:
    try:
        return gateway().people.parse_address(text)
    except ValueError as error:
        raise Problem(422, "bad_address", str(error), "members") from None


def _check_known(user_ids: Sequence[str]) -> None:
    users = gateway().people.users(user_ids)
    sees_all = caller().sees_all
    if any(each not in users or (users[each].kind is UserKind.CONTACT and not sees_all) for each in user_ids):
        raise Problem(422, "unknown_user", "there is no such user; naming a contact needs a service client", "members")


def change(membership: Membership, wanted: Callable[[Membership], tuple[list[str], list[str]]]) -> Membership:
    """Change the members to what `wanted` says of the newest membership, (joined, left), and announce it."""
    store = gateway().store
    key = membership.conversation.conversation_id
    if membership.conversation.type is ConversationType.PRIVATE:
        raise Problem(409, "private_conversation", "the two members of a private conversation stay")
    for _ in range(TRIES):
        joined, left = wanted(membership)
        changed = store.change_members(key, membership.version, joined, left)
        if changed:
            announce(changed)
            return changed
        membership = store.memberships([key])[key]
    raise Problem(503, "unavailable", "the members keep changing", headers={"Retry-After": "1"})


def announce(membership: Membership) -> None:
    """Tell connected readers. Nothing depends on it: a message with a newer members_version tells them too."""
    acceptor = gateway().acceptor
    try:
        gateway().log.append([conversation_record(membership, acceptor.event_partitions)], ANNOUNCE_TIMEOUT_S)
    except (Temporary, Unknown) as failure:
        log.warning("announcement_lost", reason=failure.reason, conversation_id=membership.conversation.conversation_id)
