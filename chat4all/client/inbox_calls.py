"""The calls of those who answer: which conversations wait, whose they are, how they are handled. Need scope manage."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from chat4all.client.bodies import Sent
from chat4all.client.connection import Connection


class InboxCalls:
    """Mixed into `chat4all.client.Client`."""

    _http: Connection

    def send(self, text: str = "", **fields: Any) -> Sent:
        """The client's."""
        raise NotImplementedError

    def note(self, conversation_id: str, text: str, **fields: Any) -> Sent:
        """Write an internal note: those who answer read it, and nobody else."""
        return self.send(text, conversation_id=conversation_id, visibility="internal", **fields)

    def inbox(self, **wanted: str) -> Iterator[dict[str, Any]]:
        """Conversations, the latest first, page by page.

        `wanted`: state, assignee ("": nobody's), label, priority, handler, unread ("true", "false").
        """
        after = ""
        while True:
            query = urlencode({"order": "activity", **wanted, "after": after})
            answer = self._http.call("GET", f"/v1/conversations?{query}")
            yield from answer["conversations"]
            if not answer.get("next"):
                return
            after = answer["next"]

    def windows(self, conversation_id: str) -> list[dict[str, Any]]:
        """Until when members may be written to, by channel: {recipient, account, open, open_until?, last_wrote_at?}."""
        found: list[dict[str, Any]] = self._http.call("GET", f"/v1/conversations/{conversation_id}/windows")["windows"]
        return found

    def handle(self, conversation_id: str, **changes: Any) -> dict[str, Any]:
        """Change how a conversation is handled; the conversation as it then is. What is left out stays.

        `changes`: state, snoozed_until (RFC 3339), assignee (None: nobody's), priority, labels, handler, seen_up_to, and
        handling_version: ApiError 409 `handling_changed` if it is another by now.
        """
        return self._http.call("PATCH", f"/v1/conversations/{conversation_id}", changes)
