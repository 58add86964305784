"""The calls of the Python client about outgoing webhooks, for service clients with scope manage."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from chat4all.client.connection import Connection


class WebhookCalls:
    """Mixed into `chat4all.client.Client`."""

    _http: Connection

    def create_webhook(
        self, url: str, events: Sequence[str] = (), *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Make an endpoint; `secret` is told only now. `more`: filter, throttle and batch, as the API has them."""
        body = {"url": url, "events": list(events), "headers": dict(headers or {}), **more}
        return self._http.call("POST", "/v1/webhooks", body, key=str(uuid4()))

    def webhooks(self) -> list[dict[str, Any]]:
        """All endpoints."""
        return list(self._http.pages("/v1/webhooks", "webhooks"))

    def webhook(self, webhook_id: str) -> dict[str, Any]:
        """One of them. ApiError 404 when there is none."""
        return self._http.call("GET", _path(webhook_id))

    def update_webhook(self, webhook_id: str, **changes: Any) -> dict[str, Any]:
        """Make something else of it: url, events, filter, headers, throttle, batch. What is left out stays."""
        return self._http.call("PATCH", _path(webhook_id), changes)

    def delete_webhook(self, webhook_id: str) -> None:
        """Tell it nothing more."""
        self._http.call("DELETE", _path(webhook_id))

    def rotate_webhook(self, webhook_id: str, old_valid_s: int = 86_400) -> dict[str, Any]:
        """Give it another `secret`, told only now; the one before it signs too for so many seconds."""
        return self._http.call("POST", f"{_path(webhook_id)}/rotate", {"old_valid_s": old_valid_s})

    def enable_webhook(self, webhook_id: str) -> dict[str, Any]:
        """Tell it of what happens from now on."""
        return self._http.call("POST", f"{_path(webhook_id)}/enable")

    def disable_webhook(self, webhook_id: str) -> dict[str, Any]:
        """Tell it nothing more, until it is enabled."""
        return self._http.call("POST", f"{_path(webhook_id)}/disable")

    def test_webhook(self, webhook_id: str) -> str:
        """Have it called with an event `webhook.test`; that event's id, under which the log of calls has what came of it."""
        return str(self._http.call("POST", f"{_path(webhook_id)}/test", key=str(uuid4()))["event_id"])

    def recover_webhook(self, webhook_id: str, since: str, until: str = "") -> dict[str, Any]:
        """Tell it once more what happened between two times: RFC 3339, or 90m, 24h, 7d ago."""
        body = {"since": since, "until": until}
        return self._http.call("POST", f"{_path(webhook_id)}/recover", body, key=str(uuid4()))

    def webhook_deliveries(self, webhook_id: str, limit: int = 50, after: str = "") -> dict[str, Any]:
        """A page of the log of calls to it, the newest first: `deliveries`, and `next` for the next page."""
        params = {"limit": str(limit)} | ({"after": after} if after else {})
        return self._http.call("GET", f"{_path(webhook_id)}/deliveries", params=params)


def _path(webhook_id: str) -> str:
    return f"/v1/webhooks/{quote(webhook_id, safe='')}"
