"""The calls of the Python client about broadcasts, for service clients with scopes send and manage."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from chat4all.client.connection import Connection

# So many the service takes in one call.
AUDIENCE_AT_ONCE = 10_000


class BroadcastCalls:
    """Mixed into `chat4all.client.Client`."""

    _http: Connection

    def create_broadcast(self, channel: str, tag: str, payload: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """Write one to every contact with this tag; nothing is sent before it is started.

        Without a tag ("") it goes to those whom `add_audience` names. `more`: name, rate, from_, quiet_hours.
        """
        fields = {name.rstrip("_"): value for name, value in more.items()}
        audience: dict[str, Any] = {"tag": tag} if tag else {"addresses": []}
        body = {"channel": channel, "audience": audience, "payload": dict(payload)} | fields
        return self._http.call("POST", "/v1/broadcasts", body, key=str(uuid4()))

    def add_audience(self, broadcast_id: str, addresses: Iterable[str]) -> int:
        """It goes to these too, on its channel or as channel:address, however many. How many there were."""
        number, rest = 0, iter(addresses)
        while some := list(islice(rest, AUDIENCE_AT_ONCE)):
            self._http.call("POST", f"{_path(broadcast_id)}/audience", {"addresses": some})
            number += len(some)
        return number

    def broadcasts(self) -> Iterator[dict[str, Any]]:
        """All of them, page by page."""
        return self._http.pages("/v1/broadcasts", "broadcasts")

    def broadcast(self, broadcast_id: str) -> dict[str, Any]:
        """One of them, and how far it has come. ApiError 404 when there is none."""
        return self._http.call("GET", _path(broadcast_id))

    def estimate_broadcast(self, broadcast_id: str) -> dict[str, Any]:
        """What it would cost now, by country, as far as the service has prices."""
        return self._http.call("GET", f"{_path(broadcast_id)}/estimate")

    def start_broadcast(self, broadcast_id: str) -> dict[str, Any]:
        """Begin, or go on after a pause."""
        return self._http.call("POST", f"{_path(broadcast_id)}/start")

    def pause_broadcast(self, broadcast_id: str) -> dict[str, Any]:
        """Nobody else has their turn, from within two seconds on."""
        return self._http.call("POST", f"{_path(broadcast_id)}/pause")

    def stop_broadcast(self, broadcast_id: str) -> dict[str, Any]:
        """As a pause, for good; what was accepted and not yet sent is CANCELLED."""
        return self._http.call("POST", f"{_path(broadcast_id)}/stop")

    def broadcast_results(self, broadcast_id: str) -> Iterator[dict[str, Any]]:
        """What came of each contact's turn, page by page."""
        return self._http.pages(f"{_path(broadcast_id)}/results", "results")


def _path(broadcast_id: str) -> str:
    return f"/v1/broadcasts/{quote(broadcast_id, safe='')}"
