"""Tokens: who a caller is, signed with the deployment's key (HS256). The gateway's flask-jwt-extended reads the same claims."""

import time
from typing import Any
from uuid import uuid4

import jwt

from chat4all.callers import Caller
from chat4all.conversations import User, UserKind

ALGORITHM = "HS256"
ACCESS = "access"
REFRESH = "refresh"


class BadToken(Exception):
    """The token proves nothing: expired, forged, or of the wrong kind. The text may be shown to the caller."""


def issue(user: User, kind: str, life_s: int, secret: str) -> str:
    """A token of `kind` (access or refresh) that names this user for `life_s` seconds."""
    now = int(time.time())
    claims = {
        "sub": user.user_id,
        "type": kind,
        "iat": now,
        "nbf": now,
        "exp": now + life_s,
        "jti": str(uuid4()),
        "fresh": False,
        "kind": user.kind.value,
        "scopes": list(user.scopes),
    }
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def verify(token: str, secret: str, kind: str = ACCESS) -> Caller:
    """Who this token names. BadToken when it is no valid token of `kind`."""
    try:
        claims = jwt.decode(token, secret, algorithms=[ALGORITHM], options={"require": ["exp", "sub", "type"]})
        if claims["type"] != kind:
            raise BadToken(f"an {kind} token is needed")
        return caller_of(claims)
    except jwt.ExpiredSignatureError:
        raise BadToken("the token has expired") from None
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
        raise BadToken("the token is not valid") from None


def expires_at(token: str) -> int:
    """When a verified token ends, milliseconds UTC."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return int(claims["exp"]) * 1000


def caller_of(claims: dict[str, Any]) -> Caller:
    """The caller that verified claims name."""
    return Caller(claims["sub"], UserKind(claims["kind"]), frozenset(claims["scopes"]))
