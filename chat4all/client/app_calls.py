"""The calls of the Python client about apps at providers, for service clients with scope manage."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from chat4all.client.connection import Connection


class AppCalls:
    """Mixed into `chat4all.client.Client`."""

    _http: Connection

    def create_app(self, channel: str, credentials: Mapping[str, str], name: str = "") -> dict[str, Any]:
        """Make an app known, with its app_secret and verify_token; `webhook_url` is what its provider is to call."""
        body = {"channel": channel, "name": name, "credentials": dict(credentials)}
        return self._http.call("POST", "/v1/apps", body, key=str(uuid4()))

    def apps(self) -> list[dict[str, Any]]:
        """All apps, those of the environment among them."""
        return list(self._http.pages("/v1/apps", "apps"))

    def app(self, app_id: str) -> dict[str, Any]:
        """One of them. ApiError 404 when there is none."""
        return self._http.call("GET", _path(app_id))

    def rename_app(self, app_id: str, name: str) -> dict[str, Any]:
        """Call it something else."""
        return self._http.call("PATCH", _path(app_id), {"name": name})

    def rotate_app(self, app_id: str, credentials: Mapping[str, str]) -> dict[str, Any]:
        """Give it another app_secret or verify_token; what is left out stays. ApiError 422 when the secret is not its own."""
        return self._http.call("PATCH", _path(app_id), {"credentials": dict(credentials)})

    def delete_app(self, app_id: str) -> None:
        """Forget it. ApiError 409 `app_in_use` while accounts are of it."""
        self._http.call("DELETE", _path(app_id))


def _path(app_id: str) -> str:
    return f"/v1/apps/{quote(app_id, safe='')}"
