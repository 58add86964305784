"""The calls of the Python client about logins: passwords, sessions, blocks, service clients."""

from typing import Any
from urllib.parse import quote

from chat4all.client.connection import ApiError, Connection, Tokens


class AccessCalls:
    """Mixed into `chat4all.client.Client`."""

    _http: Connection

    def logout(self) -> None:
        """End this login, on the server too. Nothing happens when there is none, or it has ended already."""
        tokens = self._http.tokens
        if tokens is None:
            return
        body = {"refresh_token": tokens.refresh} if tokens.refresh else None
        try:
            self._http.call("POST", "/auth/logout", body, with_token=body is None)
        except ApiError as error:
            if error.status != 401:
                raise
        self._http.tokens = None

    def change_password(self, current: str, new: str) -> Tokens:
        """Choose another password. All other logins of this account end; this client goes on with a new one."""
        body = {"current_password": current, "new_password": new}
        # Not repeated after a lost answer: the password would not be the current one any more.
        return self._http.take(self._http.call("PUT", "/v1/users/me/password", body, is_repeatable=False))

    def stream_ticket(self) -> dict[str, Any]:
        """What opens a stream of this account in a browser for a minute: `GET /v1/events?ticket=…`. {ticket, expires_at}"""
        return self._http.call("POST", "/v1/stream-tickets")

    def sessions(self, user_id: str = "") -> list[dict[str, Any]]:
        """The logins of this account, or of a user (scope manage)."""
        return list(self._http.pages(f"/v1/users/{self._named(user_id)}/sessions", "sessions"))

    def end_session(self, session_id: str, user_id: str = "") -> None:
        """End one of these. ApiError 404 when it has ended."""
        self._http.call("DELETE", f"/v1/users/{self._named(user_id)}/sessions/{quote(session_id, safe='')}")

    def end_sessions(self, user_id: str = "") -> None:
        """End all of these; this one too if it is this account's."""
        self._http.call("DELETE", f"/v1/users/{self._named(user_id)}/sessions")

    def reset_password(self, user_id: str, password: str = "") -> str:
        """Give a user another password (scope manage), made by the server unless given; the password. Their logins end."""
        body = {"password": password} if password else {}
        answer = self._http.call("POST", f"/v1/users/{quote(user_id, safe='')}/reset-password", body)
        return str(answer.get("password", password))

    def disable(self, user_id: str) -> dict[str, Any]:
        """Nobody comes in as this user any more (scope manage; a service client: scope admin). Their logins end."""
        return self._http.call("POST", f"/v1/users/{quote(user_id, safe='')}/disable")

    def enable(self, user_id: str) -> dict[str, Any]:
        """They may log in again."""
        return self._http.call("POST", f"/v1/users/{quote(user_id, safe='')}/enable")

    def clients(self) -> list[dict[str, Any]]:
        """All service clients (scope admin, like the three that follow)."""
        return list(self._http.pages("/v1/clients", "clients"))

    def create_client(self, name: str, scopes: list[str]) -> dict[str, Any]:
        """Make a service client; `client_secret` is told only now."""
        return self._http.call("POST", "/v1/clients", {"name": name, "scopes": scopes}, is_repeatable=False)

    def rotate_client(self, name: str) -> dict[str, Any]:
        """Give a service client another secret, told only now. The old one and its logins end."""
        return self._http.call("POST", f"/v1/clients/{quote(name, safe='')}/rotate")

    def delete_client(self, name: str) -> None:
        """Take a service client away."""
        self._http.call("DELETE", f"/v1/clients/{quote(name, safe='')}")

    def added_by(self, who: str) -> dict[str, Any]:
        """Say who may bring this account into groups: everybody, contacts or nobody."""
        return self._http.call("PATCH", "/v1/users/me", {"added_by": who})

    def block(self, user_id: str) -> None:
        """Hear nothing of a user any more."""
        self._http.call("PUT", f"/v1/users/me/blocks/{quote(user_id, safe='')}")

    def unblock(self, user_id: str) -> None:
        """Hear of them again."""
        self._http.call("DELETE", f"/v1/users/me/blocks/{quote(user_id, safe='')}")

    def blocks(self) -> list[str]:
        """Whom this account blocks."""
        return [str(each["user_id"]) for each in self._http.pages("/v1/users/me/blocks", "blocks")]

    def _named(self, user_id: str) -> str:
        return quote(user_id or str(self._http.call("GET", "/v1/users/me")["user_id"]), safe="")
