"""Tokens: who a caller is, signed with the deployment's key (HS256). One verifier for REST, gRPC and Server-Sent Events.

An access token opens everything, a refresh token gives new tokens, and a ticket opens a stream: none is taken for another.
"""

import time
from typing import Any
from uuid import uuid4

import jwt
from msgspec import Struct

from chat4all.model.callers import Caller
from chat4all.model.conversations import User, UserKind
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.sessions import OLD_PREFIX

ALGORITHM = "HS256"
ACCESS = "access"
REFRESH = "refresh"
TICKET = "stream_ticket"
NAMES = {ACCESS: "an access token", REFRESH: "a refresh token", TICKET: "a stream ticket"}
# A browser opens its stream at once. What is in a URL may be kept by whatever it passes.
TICKET_S = 60
# Codes of a BadToken, beside token_invalid and token_expired.
REVOKED, REUSED = "token_revoked", "token_reused"
ISSUER = "chat4all"
AUDIENCE = "chat4all"
LONGEST = 8192
# What each token says, all of it; those of another workspace than `default` say that too.
CLAIMS = frozenset({"iss", "aud", "sub", "type", "iat", "nbf", "exp", "jti", "sid", "gen", "turn", "kind", "scopes"})
# Tokens made before there were sessions are good until they expire: exactly these claims, and no others.
OLD_CLAIMS = frozenset({"sub", "type", "iat", "nbf", "exp", "jti", "fresh", "kind", "scopes"})
# Who is who is checked by hand: old tokens have neither.
OPTIONS: Any = {"require": ["exp", "iat", "nbf", "sub", "type"], "verify_aud": False, "verify_iss": False}
# What odd contents of a token make the libraries raise, each before or after the signature was checked.
ODD = (jwt.InvalidTokenError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)


class BadToken(Exception):
    """The token proves nothing: expired, forged, revoked, or of the wrong kind. The text may be shown to the caller."""

    def __init__(self, detail: str, code: str = "token_invalid") -> None:
        super().__init__(detail)
        self.code = code


class Token(Struct, frozen=True):
    """What a verified token says. `expires_at`: ms UTC, for a ticket that of the token it was made with.

    `turn`: which renewal of its session a refresh token is for.
    """

    caller: Caller
    expires_at: int
    turn: int = 0


def issue(
    user: User,
    kind: str,
    life_s: int,
    secret: str,
    session: str = "",
    generation: int = 0,
    turn: int = 0,
    workspace: str = DEFAULT_WORKSPACE,
) -> str:
    """A token of `kind` (access or refresh) that names this user for `life_s` seconds, in a session if there is one."""
    who = Caller(user.user_id, user.kind, frozenset(user.scopes), session, generation, workspace)
    return _sign(who, kind, int(time.time()) + life_s, secret, turn=turn)


def issue_ticket(caller: Caller, until: int, secret: str) -> tuple[str, int]:
    """What opens a stream of this caller for a minute, and when that is over (ms UTC).

    `until`: when the caller's token ends, and each of these streams with it.
    """
    expires = min(int(time.time()) + TICKET_S, until // 1000)
    return _sign(caller, TICKET, expires, secret, until=until), expires * 1000


def _sign(caller: Caller, kind: str, expires: int, secret: str, turn: int = 0, **more: int) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": caller.user_id,
        "type": kind,
        "iat": now,
        "nbf": now,
        "exp": expires,
        "jti": str(uuid4()),
        "sid": caller.session,
        "gen": caller.generation,
        "turn": turn,
        "kind": caller.kind.value,
        "scopes": sorted(caller.scopes),
        **({} if caller.workspace == DEFAULT_WORKSPACE else {"workspace": caller.workspace}),
        **more,
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def read(token: str, secret: str, kind: str = ACCESS) -> Token:
    """What this token says. BadToken when it is no valid token of `kind`."""
    if len(token) > LONGEST:
        raise BadToken("the token is not valid")
    try:
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], options=OPTIONS)
        if claims["type"] != kind:
            raise BadToken(f"{NAMES[kind]} is needed")
        return _said(claims)
    except jwt.ExpiredSignatureError:
        raise BadToken("the token has expired", "token_expired") from None
    except ODD:
        raise BadToken("the token is not valid") from None


def verify(token: str, secret: str, kind: str = ACCESS) -> Caller:
    """Who this token names. BadToken when it is no valid token of `kind`."""
    return read(token, secret, kind).caller


def _said(claims: dict[str, Any]) -> Token:
    who = (claims["sub"], UserKind(claims["kind"]), frozenset(map(str, claims["scopes"])))
    expires_at = int(claims["until"]) if claims["type"] == TICKET else int(claims["exp"]) * 1000
    if claims.keys() == OLD_CLAIMS:
        return Token(Caller(*who, OLD_PREFIX + str(claims["jti"])), expires_at)
    if not claims.keys() >= CLAIMS or (claims["iss"], claims["aud"]) != (ISSUER, AUDIENCE):
        raise BadToken("the token is not valid")
    session = (str(claims["sid"]), int(claims["gen"]), str(claims.get("workspace", DEFAULT_WORKSPACE)))
    return Token(Caller(*who, *session), expires_at, int(claims["turn"]))
