"""Users, and their addresses on channels."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response
from flask_openapi3.blueprint import APIBlueprint

from chat4all.model.callers import MANAGE
from chat4all.model.clock import rfc3339
from chat4all.model.conversations import Identity, User
from chat4all.model.messages import body_digest
from chat4all.model.workspaces import stored
from chat4all.services.access.credentials import Taken, check_name, create_contact, create_user
from chat4all.services.contacts.families import alike
from chat4all.services.directory import ID_SPACE, Address
from webapp.requests import rate_limits
from webapp.requests.api_docs import OPEN, SECURED, USERS, problems
from webapp.requests.gateway import caller, gateway
from webapp.requests.idempotency import Repeatable, given_key, keyed
from webapp.requests.problems import Problem
from webapp.requests.responses import (
    answer,
)
from webapp.requests.validation import checked, without_blanks
from webapp.schemas.models import AddressIn, AddressQuery, Identities, IdentityOut, NewUser, Proof, UserOut, UserPath
from webapp.views import auth
from webapp.views.address_verification import claim, confirm, send_code

COMMON = problems(400, 401, 403, 413, 422, 429, 503)
registering = APIBlueprint("registering", __name__, abp_tags=[USERS], abp_security=OPEN + SECURED, abp_responses=COMMON)
api = APIBlueprint("users", __name__, abp_tags=[USERS], abp_security=SECURED, abp_responses=COMMON)
api.before_request(auth.require)


@registering.post("/v1/users", responses={"201": UserOut, **problems(409)})
@keyed
@checked
def register(body: NewUser) -> Response:
    """Register a user. Open to anybody where the deployment says so; a contact, who has no password, needs scope manage."""
    who = auth.optional()
    may_manage = who is not None and who.has(MANAGE)
    if not may_manage and (body.password is None or not gateway().settings.registration_is_open):
        raise Problem(403, "scope_needed", "this needs a service client with scope manage")
    _check_name(body.display_name)
    if not may_manage:
        gateway().limits.registration(rate_limits.network())
    key = given_key()
    if key is None:
        return _made(body)
    # Nobody need have a name yet who registers: the key is that of the name that is to be.
    owner = who.user_id if who else f"new user {body.user_id}"
    this = Repeatable(owner, key, _keyed_digest(body))
    return this.begun() or this.done(lambda: _made(body))


def _keyed_digest(body: NewUser) -> str:
    """A digest from which nobody who reads the store can try passwords."""
    secret, plain = gateway().settings.secret("jwt"), body_digest("POST", "/v1/users", body.model_dump())
    return hmac.digest(secret.encode(), plain.encode(), "sha256").hex()


def _made(body: NewUser) -> Response:
    try:
        return answer(shape(_create(body), {}), 201)
    except ValueError as error:
        raise Problem(422, "bad_user_id", str(error), "user_id") from None
    except Taken:
        raise Problem(409, "user_id_taken", "this user_id belongs to somebody", "user_id") from None


def _check_name(name: str) -> None:
    try:
        check_name(name)
    except ValueError as error:
        raise Problem(422, "bad_name", str(error), "display_name") from None


def _create(body: NewUser) -> User:
    store = gateway().store
    if body.password is None:
        return create_contact(store, body.user_id, body.display_name)
    return create_user(store, body.user_id, body.password, body.display_name)


@api.get("/v1/users/me", responses={"200": UserOut})
@checked
def me() -> Response:
    """The caller."""
    store, user_id = gateway().store, caller().user_id
    user = store.users([user_id]).get(user_id)
    if user is None:
        raise auth.refused("token_invalid", "the token names nobody")
    return answer(shape(user, store.identities([user_id])))


@api.get("/v1/users/<user_id>/identities/<channel>", responses={"200": Identities, **problems(404)})
@checked
def identities(path: UserPath) -> Response:
    """A user's addresses on a channel."""
    return answer({"identities": _on_channel(_subject(path), path.channel)})


@api.put("/v1/users/<user_id>/identities/<channel>", responses={"200": IdentityOut, **problems(404, 409)})
@checked
def put_identity(path: UserPath, body: AddressIn) -> Response:
    """Give an address to a user: at once by a service client; by the user a one-time code is sent to the address."""
    user, target = _subject(path), _target(path, body.address)
    if caller().has(MANAGE):
        return answer(shape_identity(claim(user, target, named=True)))
    return answer(shape_identity(send_code(user, target)))


@api.post("/v1/users/<user_id>/identities/<channel>/verify", responses={"200": IdentityOut, **problems(404, 409)})
@checked
def verify(path: UserPath, body: Proof) -> Response:
    """Prove with the code that the address is the user's."""
    user, target = _subject(path), _target(path, body.address)
    rate_limits.check_login(f"verifying {stored(caller().workspace, user.user_id)}")
    return answer(shape_identity(confirm(user, target, body.code)))


@api.delete("/v1/users/<user_id>/identities/<channel>", responses={"200": Identities, **problems(404)})
@checked
def release(path: UserPath, query: AddressQuery) -> Response:
    """Take an address from a user. Deliveries that wait for it end as FAILED identity_moved."""
    user, target = _subject(path), _target(path, query.address)
    same = _same(user)
    if not any(gateway().store.release_address(*target, each) for each in same):
        raise Problem(404, "unknown_identity", "the user has no such address")
    return answer({"identities": _on_channel(user, path.channel)})


def _subject(path: UserPath) -> User:
    """The user that the path names: the caller, or anybody for scope manage."""
    if path.channel not in gateway().channels:
        raise Problem(404, "unknown_channel", "there is no such channel")
    if path.user_id != caller().user_id:
        auth.need(MANAGE)
    user = gateway().people.users([path.user_id]).get(path.user_id)
    if user is None:
        raise Problem(404, "unknown_user", "there is no such user")
    return user


def _target(path: UserPath, address: str) -> Address:
    try:
        return gateway().people.parse_address(f"{path.channel}:{address}")
    except ValueError as error:
        raise Problem(422, "bad_address", str(error), "address") from None


def _on_channel(user: User, channel: str) -> list[dict[str, Any]]:
    owned = gateway().store.identities(_same(user))
    return [shape_identity(each) for some in owned.values() for each in some if each.channel == channel]


def _same(user: User) -> list[str]:
    """Everybody who is the same person: contacts may have been merged."""
    return alike(gateway().people.standing.families([user.user_id]), user.user_id)


def shape(user: User, owned: Mapping[str, Sequence[Identity]]) -> dict[str, Any]:
    """A user as the API gives them."""
    return without_blanks(
        {
            "user_id": user.user_id,
            "kind": user.kind,
            "created_at": rfc3339(user.created_at),
            "display_name": user.display_name,
            "scopes": list(user.scopes),
            "disabled_at": rfc3339(user.disabled_at) if user.disabled_at else "",
            "added_by": user.added_by if user.added_by != "everybody" else "",
            "identities": [shape_identity(each) for each in owned.get(user.user_id, []) if each.channel != ID_SPACE],
        }
    )


def shape_identity(identity: Identity) -> dict[str, Any]:
    """An address as the API gives it."""
    since = {"since": rfc3339(identity.since)} if identity.since else {}
    return {"channel": identity.channel, "address": identity.address, "verified": identity.verified} | since
