"""Who may add whom to a conversation: what users allow, and whom they block."""

from collections.abc import Iterable

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.conversations import Conversation, ConversationType, UserKind
from chat4all.model.ids import private_conversation_id
from chat4all.model.sessions import Holding
from webapp.requests.api_docs import SECURED, USERS, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem
from webapp.requests.responses import answer, page_after
from webapp.requests.validation import checked
from webapp.schemas.models import BlockPath, Blocks, PagedQuery, UserOut, Wishes
from webapp.views import auth
from webapp.views.members import announce
from webapp.views.users import shape

api = APIBlueprint(
    "consent", __name__, abp_tags=[USERS], abp_security=SECURED, abp_responses=problems(400, 401, 403, 404, 413, 422, 429, 503)
)
api.before_request(auth.require)

BLOCK = "block"
BLOCKS_MOST = 1000
TRIES = 10


def check_wanted(user_ids: Iterable[str]) -> None:
    """Problem 403 when one of these does not want to be brought in by the caller. Service clients act for everybody."""
    who = caller()
    if who.sees_all:
        return
    gateway().limits.group(who.stored_id)
    store = gateway().store
    # Not those that we remember: wishes change.
    others = list(store.users([each for each in user_ids if each != who.user_id]).values())
    refusing = [each.user_id for each in others if each.added_by == "nobody"]
    asking = {
        private_conversation_id(who.user_id, each.user_id): each.user_id for each in others if each.added_by == "contacts"
    }
    known = store.memberships(list(asking))
    refusing += [each for key, each in asking.items() if key not in known or known[key].conversation.owner != each]
    refusing += [each.user_id for each in others if _blocks(each.user_id, who.user_id)]
    if refusing:
        raise Problem(403, "not_wanted", "somebody does not want to be brought in by you", "members")


def _blocks(user_id: str, other: str) -> bool:
    return any(each.thing == other for each in gateway().store.holdings(user_id, BLOCK))


@api.patch("/v1/users/me", responses={"200": UserOut})
@checked
def wish(body: Wishes) -> Response:
    """Say who may bring the caller into groups."""
    store, who = gateway().store, caller().user_id
    changed = store.change_user(who, lambda user: replace(user, added_by=body.added_by))
    if changed is None:
        raise auth.refused("token_invalid", "the token names nobody")
    return answer(shape(changed, store.identities([who])))


@api.get("/v1/users/me/blocks", responses={"200": Blocks})
@checked
def blocks(query: PagedQuery) -> Response:
    """Whom the caller blocks."""
    found = gateway().store.holdings(caller().user_id, BLOCK)
    page, more = page_after(found, query.after, query.limit, lambda each: each.thing)
    return answer({"blocks": [{"user_id": each.thing} for each in page]} | more)


@api.put("/v1/users/me/blocks/<user_id>", responses={"204": None})
@checked
def block(path: BlockPath) -> Response:
    """Block a user: they bring the caller into nothing, and what they write privately does not reach the caller."""
    store, who = gateway().store, caller().user_id
    other = store.users([path.user_id]).get(path.user_id)
    if other is None or path.user_id == who or (other.kind is UserKind.CONTACT and not caller().sees_all):
        raise Problem(404, "unknown_user", "there is no such user")
    if len(store.holdings(who, BLOCK)) >= BLOCKS_MOST:
        raise Problem(429, "quota_exceeded", f"at most {BLOCKS_MOST} blocks", headers={"Retry-After": "3600"})
    store.hold([Holding(who, BLOCK, path.user_id)])
    _stay(path.user_id, False)
    return Response(status=204)


@api.delete("/v1/users/me/blocks/<user_id>", responses={"204": None})
@checked
def unblock(path: BlockPath) -> Response:
    """Block a user no longer. What they wrote meanwhile stays unread."""
    store, who = gateway().store, caller().user_id
    if not _blocks(who, path.user_id):
        raise Problem(404, "unknown_user", "the caller does not block this user")
    store.let_go(who, BLOCK, [path.user_id])
    _stay(path.user_id, True)
    return Response(status=204)


def _stay(other: str, wanted: bool) -> None:
    """Be in the private conversation with somebody, or not.

    It is founded for that if there is none: so whoever sends looks at the members only, as always, and a block costs the road
    nothing.
    """
    store, who = gateway().store, caller().user_id
    key = private_conversation_id(who, other)
    ours = Conversation(key, ConversationType.PRIVATE, who, now_ms())
    membership = store.add_conversations([(ours, (who, other))])[0]
    for _ in range(TRIES):
        if membership.has(who) is wanted:
            return
        changed = store.change_members(key, membership.version, [who] if wanted else [], [] if wanted else [who])
        if changed:
            announce(changed)
            return
        membership = store.memberships([key])[key]
    raise Problem(503, "unavailable", "the members keep changing", headers={"Retry-After": "1"})
