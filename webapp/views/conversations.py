"""Conversations, their members, links, and positions of readers."""

from collections.abc import Mapping
from functools import partial
from time import monotonic
from typing import Any
from uuid import uuid4

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.callers import MANAGE
from chat4all.model.clock import now_ms, rfc3339
from chat4all.model.conversations import Conversation, ConversationType, Membership
from chat4all.model.events import encode
from chat4all.model.handling import Wanted
from chat4all.model.ids import is_reserved, is_uuid
from chat4all.model.passing import typing_event
from chat4all.model.signals import READ, TYPING
from chat4all.ports.listing import EVERYBODY
from chat4all.services.acceptance.draft_checks import metadata_fault
from chat4all.services.directory import Address
from webapp.queries import signals
from webapp.queries.conversation_pages import by_activity, by_id
from webapp.queries.history_pages import page_of
from webapp.queries.unread import Unread
from webapp.queries.windows import windows_of
from webapp.requests import handlings
from webapp.requests.access import check_member, visible
from webapp.requests.api_docs import CONVERSATIONS, SECURED, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.handlings import check_team
from webapp.requests.idempotency import once
from webapp.requests.problems import Problem, problem_of
from webapp.requests.responses import (
    answer,
)
from webapp.requests.tracing import headers
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.models import (
    ConversationOut,
    ConversationPath,
    Conversations,
    ConversationsQuery,
    LinkOut,
    LinkPath,
    MemberPath,
    MembersIn,
    NewConversation,
    ReadIn,
    StatusOut,
    WindowsOut,
)
from webapp.views import auth
from webapp.views.consent import check_wanted
from webapp.views.members import announce, change, resolved

# A conversation's signals are handed on once in so many seconds: what is said in between costs nothing.
SIGNAL_S = 3.0

api = APIBlueprint(
    "conversations",
    __name__,
    abp_tags=[CONVERSATIONS],
    abp_security=SECURED,
    abp_responses=problems(400, 401, 404, 413, 422, 429, 503),
)
api.before_request(auth.require)


@api.post("/v1/conversations", responses={"200": ConversationOut, "201": ConversationOut, **problems(403, 409)})
@once
@checked
def found(body: NewConversation) -> Response:
    """Found a conversation: 201. The one that exists, by id or for a private pair: 200."""
    fault = metadata_fault(body.metadata)
    if fault:
        raise Problem(fault.status, fault.code, fault.detail, fault.field)
    members = resolved(body.members)
    if body.type == "private":
        key, member_ids = _pair(body, members)
    else:
        key, member_ids = _group(body, list(members))
    there = gateway().store.memberships([key], caller().user_id).get(key)
    if there is None:
        if body.type == "group":
            check_wanted(member_ids)
        kind = ConversationType(body.type)
        ours = Conversation(key, kind, caller().user_id, now_ms(), body.metadata, body.open_history)
        there = gateway().store.add_conversations([(ours, member_ids)])[0]
        if there.conversation == ours:
            announce(there)
            return answer(shape([there])[0], 201)
    if not caller().may_see(there):
        raise Problem(409, "conversation_id_taken", "this conversation_id belongs to another", "conversation_id")
    return answer(shape([there])[0])


def _pair(body: NewConversation, members: dict[str, Address | None]) -> tuple[str, list[str]]:
    """The id and the members of a private conversation."""
    if body.conversation_id is not None:
        raise Problem(422, "reserved_conversation_id", "a private pair's id follows from its members", "conversation_id")
    me = caller().user_id
    if me not in members and (len(members) == 1 or not caller().sees_all):
        members = {me: None, **members}
    if len(members) != 2:
        raise Problem(422, "invalid", "a private conversation has two members", "members")
    (one, _), (other, address) = members.items()
    return gateway().people.pair_id(one, other, address), [one, other]


def _group(body: NewConversation, member_ids: list[str]) -> tuple[str, list[str]]:
    """The id and the members of a group. A person is in the groups that they found."""
    key = (body.conversation_id or str(uuid4())).lower()
    if not is_uuid(key):
        raise Problem(422, "malformed_uuid", "a conversation_id is a UUID", "conversation_id")
    if is_reserved(key):
        raise Problem(
            422,
            "reserved_conversation_id",
            "UUIDs of versions 5 and 8 are the server's; a random one, version 4",
            "conversation_id",
        )
    me = caller().user_id
    if me not in member_ids and not caller().sees_all:
        member_ids = [me, *member_ids]
    _check_size(len(member_ids))
    return key, member_ids


def _check_size(count: int) -> None:
    most = gateway().settings.members_limit
    if not 0 < count <= most:
        raise Problem(422, "invalid", f"1 to {most} members", "members")


@api.get("/v1/conversations", responses={"200": Conversations})
@checked
def mine(query: ConversationsQuery) -> Response:
    """The caller's conversations, everybody's for a client with scope manage; with order=activity the latest first.

    Their metadata is in them with metadata=true, else in each conversation alone. State, assignee and the like are shown to
    those who answer, and are theirs to filter by.
    """
    store, reader = gateway().store, EVERYBODY if caller().has(MANAGE) else caller().user_id
    wanted = Wanted(query.state, query.assignee, query.label, query.priority, query.handler)
    if wanted != Wanted():
        check_team()
    fits = None if query.unread is None else partial(unread().fitting, is_unread=query.unread)
    if wanted != Wanted() or fits or query.order == "activity":
        chosen = wanted if wanted != Wanted() else None
        page = by_activity(store, reader, query.after, query.limit, chosen, gateway().bounds.conversations, fits)
    else:
        page = by_id(store, reader, query.after, query.limit)
    shown = shape(page.memberships, query.metadata)
    for each in shown:
        each["last_activity_at"] = rfc3339(page.active_at[each["conversation_id"]])
    return answer({"conversations": shown} | ({"next": page.next} if page.next else {}))


@api.get("/v1/conversations/<conversation_id>", responses={"200": ConversationOut})
@checked
def show(path: ConversationPath) -> Response:
    """One conversation."""
    return answer(shape([visible(path.conversation_id)])[0])


@api.get("/v1/conversations/<conversation_id>/windows", responses={"200": WindowsOut})
@checked
def windows(path: ConversationPath) -> Response:
    """Until when its members may be written to on their channels: most providers allow it for a day after they wrote."""
    return answer({"windows": windows_of(gateway().store, gateway().people, visible(path.conversation_id), now_ms())})


@api.post("/v1/conversations/<conversation_id>/members", responses={"200": ConversationOut, **problems(403, 409)})
@once
@checked
def add(path: ConversationPath, body: MembersIn) -> Response:
    """Bring people in: any member may, and a client with scope manage."""
    membership = visible(path.conversation_id)
    check_member(membership)
    joining = list(resolved(body.members))
    check_wanted(joining)

    def wanted(newest: Membership) -> tuple[list[str], list[str]]:
        check_member(newest)
        if any(newest.has(each) for each in joining):
            raise Problem(409, "already_a_member", "somebody is a member already", "members")
        _check_size(len(newest.now()) + len(joining))
        return joining, []

    return answer(shape([change(membership, wanted)])[0])


@api.delete("/v1/conversations/<conversation_id>/members/<user_id>", responses={"204": None, **problems(403, 409)})
@checked
def remove(path: MemberPath) -> Response:
    """Leave, or as the owner remove somebody."""
    membership = visible(path.conversation_id)
    who = caller()
    if who.user_id not in (path.user_id, membership.conversation.owner):
        auth.need(MANAGE)

    def wanted(newest: Membership) -> tuple[list[str], list[str]]:
        check_member(newest)
        if not newest.has(path.user_id):
            raise Problem(404, "unknown_member", "there is no such member")
        return [], [path.user_id]

    change(membership, wanted)
    return Response(status=204)


@api.put("/v1/conversations/<conversation_id>/links/<channel>/<address>", responses={"200": LinkOut, **problems(403)})
@checked
def link(path: LinkPath) -> Response:
    """From now on, what this address writes comes into this conversation. Its owner must be a member."""
    membership = visible(path.conversation_id)
    check_member(membership)
    owner, target = _linkable(path)
    if not membership.has(owner):
        raise Problem(422, "not_a_member", "the address belongs to no member of this conversation", "address")
    gateway().store.put_link(*target, membership.conversation.conversation_id)
    return answer(_link(membership, target))


@api.delete("/v1/conversations/<conversation_id>/links/<channel>/<address>", responses={"200": LinkOut, **problems(403)})
@checked
def unlink(path: LinkPath) -> Response:
    """What this address writes finds its conversation by itself again."""
    membership = visible(path.conversation_id)
    check_member(membership)
    _, target = _linkable(path)
    if gateway().store.links([target]).get(target) != membership.conversation.conversation_id:
        raise Problem(404, "unknown_link", "this address is not linked to this conversation")
    gateway().store.put_link(*target, None)
    return answer(_link(membership, target))


def _linkable(path: LinkPath) -> tuple[str, Address]:
    """The owner of the address, whom the caller may link for."""
    try:
        target = gateway().people.parse_address(f"{path.channel}:{path.address}")
    except ValueError as error:
        raise Problem(422, "bad_address", str(error), "address") from None
    identity = gateway().store.owners([target]).get(target)
    owner = identity.user_id if identity and identity.verified else ""
    if not owner or owner != caller().user_id:
        auth.need(MANAGE)
    return owner, target


def _link(membership: Membership, target: Address) -> dict[str, str]:
    return {"conversation_id": membership.conversation.conversation_id, "channel": target[0], "address": target[1]}


@api.post("/v1/conversations/<conversation_id>/read", responses={"202": StatusOut})
@checked
def read(path: ConversationPath, body: ReadIn) -> Response:
    """Say how far the caller has read. With `tell` people on channels see it too, if all goes well.

    Those who answer need not be members; then no member is told of it.
    """
    membership, here = visible(path.conversation_id), gateway()
    key = membership.conversation.conversation_id
    if body.tell:
        check_member(membership)
    refused = here.acceptor.acknowledge(caller(), key, "read", body.up_to, headers())
    if refused:
        raise problem_of(refused)
    if body.tell and here.cadence.due((READ, key, body.up_to), SIGNAL_S, monotonic()):
        here.waker.signal(signals.read(here.store, here.people, membership, caller(), body.up_to))
    return answer({"status": "accepted"}, 202)


@api.post("/v1/conversations/<conversation_id>/typing", responses={"204": None, **problems(403)})
@checked
def typing(path: ConversationPath) -> Response:
    """Show that the caller types: to members, and to people on channels. Say it again every few seconds; it ends by itself.

    Those who answer need not be members; then of those who are connected only who answers is shown it. Nobody promises it.
    """
    membership, here, who = visible(path.conversation_id), gateway(), caller()
    key = membership.conversation.conversation_id
    check_member(membership)
    if here.cadence.due((TYPING, key, who.user_id), SIGNAL_S, monotonic()):
        here.passing.say([encode(typing_event(key, who.user_id, now_ms(), here.passing.partitions))])
    if here.cadence.due((TYPING, key), SIGNAL_S, monotonic()):
        here.waker.signal(signals.typing(here.store, here.people, membership, who))
    return Response(status=204)


def shape(memberships: list[Membership], with_metadata: bool = True) -> list[dict[str, Any]]:
    """Conversations as the API gives them: to who has left, as they were then."""
    here, who = gateway(), caller()
    shown = [each if who.sees_all else each.seen_by(who.user_id) for each in memberships]
    last: dict[str, int | None] = dict(here.store.last_seqs([each.conversation.conversation_id for each in memberships]))
    for each, seen in zip(memberships, shown, strict=True):
        if seen is not each:
            last |= _last_seen(each)
    users = here.people.users(user_id for each in shown for user_id in each.now())
    answers = [_one(each, last, users, with_metadata) for each in shown]
    counts = unread().counts(memberships, last)
    answers = [one | without_blanks({"unread": counts.get(one["conversation_id"])}) for one in answers]
    if who.is_team:
        handled = here.store.handlings([each["conversation_id"] for each in answers])
        answers = [each | handlings.shown(handled[each["conversation_id"]]) for each in answers]
    return answers


def unread() -> Unread:
    """Counts what the caller has not read."""
    return Unread(gateway().store, caller(), gateway().bounds.unread)


def _last_seen(membership: Membership) -> dict[str, int | None]:
    """The newest message that the caller may read."""
    page = page_of(gateway().store, membership, caller(), None, None, 1)
    return {membership.conversation.conversation_id: page.messages[-1].seq if page.messages else None}


def _one(membership: Membership, last: Mapping[str, int | None], users: dict[str, Any], with_metadata: bool) -> dict[str, Any]:
    conversation = membership.conversation
    members = [users[user_id] for user_id in membership.now()]
    return without_blanks(
        {
            "conversation_id": conversation.conversation_id,
            "type": conversation.type,
            "owner": conversation.owner,
            "members_version": membership.version,
            "created_at": rfc3339(conversation.created_at),
            "open_history": conversation.open_history,
            "metadata": conversation.metadata if with_metadata else {},
            "last_seq": last.get(conversation.conversation_id),
        }
    ) | {
        "members": [
            without_blanks({"user_id": each.user_id, "kind": each.kind, "display_name": each.display_name}) for each in members
        ]
    }
