"""The calls that find something: messages by their words, contacts by name and address."""

from collections.abc import Iterator
from typing import Any

from chat4all.client.connection import Connection


class SearchCalls:
    """Mixed into `chat4all.client.Client`."""

    _http: Connection

    def search(self, words: str, **only: str) -> Iterator[dict[str, Any]]:
        """Messages with all these words, newest first, page by page: each with a `snippet` and where the words are in it.

        `only`: conversation (an id), since and until (RFC 3339), type (of the payload). ApiError 409 `search_off` where search
        is off.
        """
        named = {{"since": "from", "until": "to"}.get(name, name): value for name, value in only.items()}
        return self._found("messages", {"q": words, **named})

    def search_contacts(self, words: str) -> Iterator[dict[str, Any]]:
        """Users who are called so, or have such an address, page by page. Needs scope manage."""
        return self._found("contacts", {"q": words})

    def _found(self, within: str, wanted: dict[str, str]) -> Iterator[dict[str, Any]]:
        return self._http.pages("/v1/search", within, {**wanted, "in": within})
