"""The calls of the Python client about contacts, for service clients with scope manage."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from chat4all.client.connection import Connection


class ContactCalls:
    """Mixed into `chat4all.client.Client`."""

    _http: Connection

    def contacts(self, tag: str = "") -> Iterator[dict[str, Any]]:
        """Everybody who is known by an address, or those with this tag, page by page."""
        return self._http.pages("/v1/contacts", "contacts", {"tag": tag} if tag else {})

    def contact_at(self, address: str) -> dict[str, Any] | None:
        """Whose this channel:address is; None: no contact's."""
        found = self._http.call("GET", "/v1/contacts", params={"address": address})["contacts"]
        return found[0] if found else None

    def create_contact(self, address: str, **about: Any) -> dict[str, Any]:
        """Have somebody with this channel:address in the directory: found, or made. `about`: as `changes` of change_contact."""
        return self._http.call("POST", "/v1/contacts", {"address": address} | about)

    def import_contacts(self, table: str) -> dict[str, Any]:
        """Bring in a CSV table of at most 500 rows: how many `contacts` are there now, and the `errors` of the other rows."""
        return self._http.call("POST", "/v1/contacts/import", {"csv": table})

    def export_contacts(self, tag: str = "") -> Iterator[str]:
        """All contacts, or those with this tag, as CSV, page by page."""
        asked: dict[str, Any] = {"tag": tag} if tag else {}
        while True:
            page = self._http.call("GET", "/v1/contacts/export", params=asked)
            yield page["csv"]
            if not page.get("next"):
                return
            asked["after"] = page["next"]

    def contact(self, contact_id: str) -> dict[str, Any]:
        """One of them. ApiError 404 when there is none."""
        return self._http.call("GET", _path(contact_id))

    def change_contact(self, contact_id: str, **changes: Any) -> dict[str, Any]:
        """Change what the team calls and keeps about a contact; the contact as it then is. What is left out stays.

        `changes`: display_name, tags, notes, attributes, time_zone, and version: ApiError 409 `contact_changed` if it is
        another by now.
        """
        return self._http.call("PATCH", _path(contact_id), changes)

    def merge_contacts(self, contact_id: str, other: str) -> dict[str, Any]:
        """Have these two be one; the contact that both are then. Where they say something else, the first one's counts."""
        return self._http.call("POST", f"{_path(contact_id)}/merge", {"contact_id": other})

    def unmerge_contact(self, contact_id: str, other: str = "") -> dict[str, Any]:
        """Undo a merge: `other` is apart again, or else whoever was merged last; the contact as it then is."""
        return self._http.call("POST", f"{_path(contact_id)}/unmerge", {"contact_id": other} if other else {})

    def block_contact(self, contact_id: str, blocked: bool = True) -> dict[str, Any]:
        """Block a contact, or no longer; the contact then. What they write while they are blocked is not kept."""
        return self._http.call("PUT" if blocked else "DELETE", f"{_path(contact_id)}/block")

    def set_consent(self, contact_id: str, channel: str, state: str) -> dict[str, Any]:
        """Say for a contact whether they want what they did not ask for on a channel: granted or revoked; the contact then."""
        return self._http.call("PUT", f"{_path(contact_id)}/consents/{quote(channel, safe='')}", {"state": state})


def _path(contact_id: str) -> str:
    return f"/v1/contacts/{quote(contact_id, safe='')}"
