"""Who may come in to the stream server: the same tokens as at the gateway."""

import time

from msgspec import Struct

from chat4all import tokens
from chat4all.callers import Caller


class Visitor(Struct, frozen=True):
    """A caller with a valid token, and when it ends (ms UTC)."""

    caller: Caller
    until: int

    @property
    def seconds_left(self) -> float:
        """How long the token is still good for."""
        return max(0.0, self.until / 1000 - time.time())


def admit(authorization: str, secret: str) -> Visitor:
    """The visitor that an Authorization value names. tokens.BadToken, with words for the caller, when it names none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise tokens.BadToken("authorization: Bearer <access token> is needed")
    caller = tokens.verify(token.strip(), secret)
    return Visitor(caller, tokens.expires_at(token.strip()))
