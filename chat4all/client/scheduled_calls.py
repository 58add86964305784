"""The calls of the Python client about messages that are to be sent later: `send(…, send_at=…)` makes one."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from chat4all.client.connection import Connection


class ScheduledCalls:
    """Mixed into `chat4all.client.Client`."""

    _http: Connection

    def scheduled_messages(self, **wanted: Any) -> Iterator[dict[str, Any]]:
        """What waits, by time, page by page: this account's, for scope manage everybody's.

        `wanted`: from_, conversation_id, since, until (RFC 3339, with its zone).
        """
        asked = {name.rstrip("_"): value for name, value in wanted.items()}
        return self._http.pages("/v1/scheduled-messages", "scheduled_messages", asked)

    def scheduled_message(self, message_id: str) -> dict[str, Any]:
        """One of them, and for 30 days what became of it. ApiError 404 when there is none."""
        return self._http.call("GET", _path(message_id))

    def change_scheduled(
        self, message_id: str, *, send_at: str = "", payload: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send it at another time, or say something else. ApiError 409 `too_late`: it does not wait any more."""
        body = ({"send_at": send_at} if send_at else {}) | ({"payload": dict(payload)} if payload is not None else {})
        return self._http.call("PATCH", _path(message_id), body)

    def cancel_scheduled(self, message_id: str) -> dict[str, Any]:
        """Have it not be sent. ApiError 409 `too_late`: it is being sent, or was."""
        return self._http.call("DELETE", _path(message_id))


def _path(message_id: str) -> str:
    return f"/v1/scheduled-messages/{quote(message_id, safe='')}"
