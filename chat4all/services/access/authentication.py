"""Checks a caller's token: one check for the gateway and the stream server."""

import time

from msgspec import Struct

from chat4all.model.callers import Caller
from chat4all.services.access import tokens
from chat4all.services.access.revocations import Revocations

SEEN_MOST = 10_000
CLOSED = {
    "workspace_suspended": "this workspace is suspended: ask whoever runs the deployment",
    "workspace_removed": "this workspace was removed",
}


class AuthenticatedCaller(Struct, frozen=True):
    """A caller with a valid token, and when it ends (ms UTC)."""

    caller: Caller
    until: int

    @property
    def seconds_left(self) -> float:
        """How long the token is still good for."""
        return max(0.0, self.until / 1000 - time.time())


class NotAdmitted(Exception):
    """The caller did not prove who they are. `code` is that of the problem; the text may be shown to them."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class WorkspaceClosed(NotAdmitted):
    """They proved who they are, and nobody may do anything in their workspace now."""

    def __init__(self, code: str) -> None:
        super().__init__(code, CLOSED[code])


class Admission:
    """Knows the deployment's key and what was revoked. Thread-safe.

    Checking a signature costs a quarter of a request, so a good token is remembered; whether it was revoked is asked each time.
    """

    def __init__(self, secret: str, revocations: Revocations) -> None:
        self._secret = secret
        self.revocations = revocations
        self._seen: dict[str, AuthenticatedCaller] = {}

    def admit(self, authorization: str) -> AuthenticatedCaller:
        """The caller that an Authorization value names. NotAdmitted when it names none, Temporary when that is not known."""
        authenticated = self._seen.get(authorization)
        if authenticated is None or not authenticated.seconds_left:
            authenticated = self._read(authorization)
        return self._unless_void(authenticated)

    def admit_ticket(self, ticket: str) -> AuthenticatedCaller:
        """The caller whose stream this ticket opens. As `admit`."""
        return self._unless_void(self._said(ticket, tokens.TICKET))

    def _read(self, authorization: str) -> AuthenticatedCaller:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAdmitted("token_missing", "Authorization: Bearer <access token> is needed")
        self._seen.pop(authorization, None)
        authenticated = self._said(token.strip(), tokens.ACCESS)
        if len(self._seen) >= SEEN_MOST:
            self._seen.clear()
        self._seen[authorization] = authenticated
        return authenticated

    def _said(self, token: str, kind: str) -> AuthenticatedCaller:
        try:
            said = tokens.read(token, self._secret, kind)
        except tokens.BadToken as error:
            raise NotAdmitted(error.code, str(error)) from None
        return AuthenticatedCaller(said.caller, said.expires_at)

    def _unless_void(self, authenticated: AuthenticatedCaller) -> AuthenticatedCaller:
        if self.revocations.is_void(authenticated.caller):
            raise NotAdmitted("token_revoked", "this login has ended: log in again")
        if code := self.revocations.closed(authenticated.caller.workspace):
            raise WorkspaceClosed(code)
        return authenticated
