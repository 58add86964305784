"""The calls of the Python client about accounts at providers, for service clients with scope manage."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from chat4all.client.connection import Connection

NOTHING: Mapping[str, str] = {}


class AccountCalls:
    """Mixed into `chat4all.client.Client`."""

    _http: Connection

    def create_account(
        self, channel: str, credentials: Mapping[str, str], provider_account_id: str = "", name: str = "", app_id: str = ""
    ) -> dict[str, Any]:
        """Connect an account; it is used once `check_account` found that the provider accepts the credentials.

        app_id: the app that it is of, which has its secret and verify token.
        """
        body = {
            "channel": channel,
            "provider_account_id": provider_account_id,
            "name": name,
            "credentials": dict(credentials),
            "app_id": app_id,
        }
        return self._http.call("POST", "/v1/accounts", body, key=str(uuid4()))

    def accounts(self) -> list[dict[str, Any]]:
        """All accounts, those of the environment among them."""
        return list(self._http.pages("/v1/accounts", "accounts"))

    def account(self, account_id: str) -> dict[str, Any]:
        """One of them. ApiError 404 when there is none."""
        return self._http.call("GET", _path(account_id))

    def rename_account(self, account_id: str, name: str) -> dict[str, Any]:
        """Call it something else."""
        return self._http.call("PATCH", _path(account_id), {"name": name})

    def limit_account(
        self,
        account_id: str,
        messages_per_second: float | None = None,
        calls_in_flight: int | None = None,
        people_per_day: int | None = None,
    ) -> dict[str, Any]:
        """Have it keep to these limits; None: as its channel has it."""
        limits = {
            "messages_per_second": messages_per_second,
            "calls_in_flight": calls_in_flight,
            "people_per_day": people_per_day,
        }
        return self._http.call("PATCH", _path(account_id), {"limits": limits})

    def grant_account(self, account_id: str, *, human_agent: bool) -> dict[str, Any]:
        """Say whether Meta granted its app the feature Human Agent, for what people write after 24 hours."""
        return self._http.call("PATCH", _path(account_id), {"features": {"human_agent": human_agent}})

    def delete_account(self, account_id: str) -> None:
        """Remove it, and forget its credentials."""
        self._http.call("DELETE", _path(account_id))

    def pause_account(self, account_id: str) -> dict[str, Any]:
        """Send nothing from it: messages wait."""
        return self._http.call("POST", f"{_path(account_id)}/pause")

    def resume_account(self, account_id: str) -> dict[str, Any]:
        """Send from it again."""
        return self._http.call("POST", f"{_path(account_id)}/resume")

    def rotate_account(
        self, account_id: str, credentials: Mapping[str, str] = NOTHING, app_id: str | None = None
    ) -> dict[str, Any]:
        """Give it other credentials; what is left out stays. ApiError 422 when the provider does not accept them.

        app_id: the app that it is of from now on; empty: it has a secret and a verify token of its own, among `credentials`.
        """
        app = {} if app_id is None else {"app_id": app_id}
        return self._http.call("POST", f"{_path(account_id)}/rotate", {"credentials": dict(credentials)} | app)

    def check_account(self, account_id: str) -> dict[str, Any]:
        """Ask the provider what is wrong with it: `findings`, each with how it is mended."""
        return self._http.call("POST", f"{_path(account_id)}/check")

    def account_health(self, account_id: str) -> dict[str, Any]:
        """How well it is, as far as its provider said, and what to do: `advice`. Asks nobody."""
        return self._http.call("GET", f"{_path(account_id)}/health")

    def connect_account(self, account_id: str) -> dict[str, Any]:
        """Register our webhook at the provider, where it lets us."""
        return self._http.call("POST", f"{_path(account_id)}/connect")

    def read_templates(self, account_id: str) -> int:
        """Have the provider asked for all of them now. How many changed."""
        return int(self._http.call("POST", f"{_path(account_id)}/templates/read")["changed"])

    def preview_template(self, account_id: str, name: str, language: str, **parameters: list[str]) -> dict[str, Any]:
        """What a person reads with these parameters (header, body, buttons). ApiError 422 when they do not fit it."""
        place = f"{_path(account_id)}/templates/{quote(name, safe='')}/{quote(language, safe='')}/preview"
        return self._http.call("POST", place, {"parameters": parameters})

    def templates(self, account_id: str, name: str = "") -> list[dict[str, Any]]:
        """The account's templates with their status: those called `name`, or like this, or all."""
        return list(self._http.pages(f"{_path(account_id)}/templates", "templates", {"name": name} if name else {}))

    def create_template(
        self, account_id: str, name: str, language: str, category: str, components: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Ask the provider for a template. ApiError 422 `template_invalid` with what is wrong with it."""
        body = {"name": name, "language": language, "category": category, "components": [dict(each) for each in components]}
        return self._http.call("POST", f"{_path(account_id)}/templates", body, key=str(uuid4()))

    def delete_template(self, account_id: str, name: str, language: str) -> None:
        """Delete a template in one language."""
        self._http.call("DELETE", f"{_path(account_id)}/templates/{quote(name, safe='')}/{quote(language, safe='')}")


def _path(account_id: str) -> str:
    return f"/v1/accounts/{quote(account_id, safe='')}"
