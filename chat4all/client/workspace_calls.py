"""The calls of the Python client about workspaces, for service clients with scope operator."""

from typing import Any
from urllib.parse import quote

from chat4all.client.connection import Connection


class WorkspaceCalls:
    """Mixed into `chat4all.client.Client`."""

    _http: Connection

    def create_workspace(self, workspace_id: str, name: str = "", accounts: int = 0, calls: int = 0) -> dict[str, Any]:
        """Make a workspace; `client_id` and `client_secret` of who administers it are told only now.

        accounts, calls: how many accounts it may have, and requests a second make; 0: no limit of its own.
        """
        body = {"workspace_id": workspace_id, "name": name, "limits": {"accounts": accounts, "calls": calls}}
        return self._http.call("POST", "/v1/workspaces", body, is_repeatable=False)

    def workspaces(self) -> list[dict[str, Any]]:
        """All workspaces but `default`."""
        return list(self._http.pages("/v1/workspaces", "workspaces"))

    def workspace(self, workspace_id: str) -> dict[str, Any]:
        """One of them. ApiError 404 when there is none."""
        return self._http.call("GET", _path(workspace_id))

    def change_workspace(self, workspace_id: str, **changed: Any) -> dict[str, Any]:
        """Change `name`, or `limits` {accounts, calls}."""
        return self._http.call("PATCH", _path(workspace_id), changed)

    def suspend_workspace(self, workspace_id: str) -> dict[str, Any]:
        """Nobody may do anything in it, within two seconds."""
        return self._http.call("POST", f"{_path(workspace_id)}/suspend")

    def resume_workspace(self, workspace_id: str) -> dict[str, Any]:
        """Let them in again."""
        return self._http.call("POST", f"{_path(workspace_id)}/resume")

    def remove_workspace(self, workspace_id: str) -> dict[str, Any]:
        """Remove it, for good, with its accounts and endpoints."""
        return self._http.call("DELETE", _path(workspace_id))

    def rotate_workspace(self, workspace_id: str) -> dict[str, Any]:
        """Give who administers it another secret, told only now."""
        return self._http.call("POST", f"{_path(workspace_id)}/rotate", is_repeatable=False)


def _path(workspace_id: str) -> str:
    return f"/v1/workspaces/{quote(workspace_id, safe='')}"
