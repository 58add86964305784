"""The calls about what is worth something for seconds: who types, who is there."""

from typing import Any

from chat4all.client.connection import Connection


class PresenceCalls:
    """Mixed into `chat4all.client.Client`. Streams tell it as it changes: `event.typing`, `event.presence`."""

    _http: Connection

    def typing(self, conversation_id: str) -> None:
        """Show members, and people on channels, that this account types. For some seconds; nobody promises that they see it."""
        self._http.call("POST", f"/v1/conversations/{conversation_id}/typing")

    def presence(self, *user_ids: str) -> list[dict[str, Any]]:
        """Who of these (50 at most) is there: {user_id, online, last_seen?}. Those of whom it may not know are absent."""
        found: list[dict[str, Any]] = self._http.call("GET", "/v1/presence", params={"user_id": ",".join(user_ids)})["presence"]
        return found

    def hide_presence(self, hidden: bool = True) -> dict[str, Any]:
        """Hide from everybody that this account is there, and when it was; or show it again."""
        return self._http.call("PUT", "/v1/users/me/presence", {"hidden": hidden})
