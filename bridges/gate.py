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


class NotAdmitted(Exception):
    """The caller did not prove who they are. `code` as at the gateway; the text may be shown to them."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def admit(authorization: str, secret: str) -> Visitor:
    """The visitor that an Authorization value names. NotAdmitted when it names none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAdmitted("token_missing", "Authorization: Bearer <access token> is needed")
    try:
        caller = tokens.verify(token.strip(), secret)
    except tokens.BadToken as error:
        raise NotAdmitted("token_expired" if "expired" in str(error) else "token_invalid", str(error)) from None
    return Visitor(caller, tokens.expires_at(token.strip()))
