"""The calls of those who answer: which conversations wait, whose they are, how they are handled. Need scope manage."""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

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
        return self._http.pages("/v1/conversations", "conversations", {"order": "activity", **wanted})

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

    def report(self, since: str, until: str, by: Sequence[str] = ("day",)) -> list[dict[str, Any]]:
        """Figures about conversations from `since` up to, not including, `until`: days, or RFC 3339; at most 31 days.

        A row for each of what there is, `by` day, channel, account, agent, label. Times are sums, in seconds.
        """
        return self._summed("/v1/reports/conversations", since, until, by)

    def cost_report(
        self, since: str, until: str, by: Sequence[str] = ("day", "account_id", "category")
    ) -> list[dict[str, Any]]:
        """Deliveries of which the provider said what they cost, of messages accepted from `since` up to (not in) `until`:
        days, or RFC 3339; at most 31 days.

        A row for each of what there is, `by` day, channel, account_id, category: {deliveries, billable, billable_arrived}.
        """
        return self._summed("/v1/reports/costs", since, until, by)

    def _summed(self, path: str, since: str, until: str, by: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of all pages; those with the same names are one."""
        rows: dict[tuple[str, ...], dict[str, Any]] = {}
        asked = {"since": since, "until": until, "by": ",".join(by)}
        for row in self._http.pages(path, "rows", asked):
            there = rows.setdefault(tuple(row.get(each, "") for each in by), dict.fromkeys(row, 0))
            there.update({name: value if name in by else there[name] + value for name, value in row.items()})
        return [row for _, row in sorted(rows.items())]

    def saved_replies(self, shortcut: str = "") -> Iterator[dict[str, Any]]:
        """Saved replies whose shortcut begins so, by shortcut, page by page."""
        return self._http.pages("/v1/saved-replies", "saved_replies", {"shortcut": shortcut})

    def saved_reply(self, reply_id: str) -> dict[str, Any]:
        """One of them. ApiError 404 when there is none."""
        return self._http.call("GET", _reply(reply_id))

    def save_reply(self, title: str, shortcut: str, text: str = "", files: Sequence[str] = ()) -> dict[str, Any]:
        """Keep a reply. `text` may have variables, such as {{name}}; `files`: ids of complete files, which it copies."""
        said = {"title": title, "shortcut": shortcut, "text": text, "files": list(files)}
        return self._http.call("POST", "/v1/saved-replies", said)

    def change_reply(self, reply_id: str, **changes: Any) -> dict[str, Any]:
        """Change a saved reply; what is left out stays.

        `changes`: title, shortcut, text, files, and version: ApiError 409 `saved_reply_changed` if it is another by now.
        """
        return self._http.call("PATCH", _reply(reply_id), changes)

    def delete_reply(self, reply_id: str) -> None:
        """Forget a saved reply."""
        self._http.call("DELETE", _reply(reply_id))

    def render_reply(self, reply_id: str, conversation_id: str, agent: str = "") -> dict[str, Any]:
        """The payload of a saved reply for this conversation, to be given to `send`. `agent`: whose name {{agent}} is."""
        said = {"conversation_id": conversation_id} | ({"agent": agent} if agent else {})
        payload: dict[str, Any] = self._http.call("POST", f"{_reply(reply_id)}/render", said)["payload"]
        return payload


def _reply(reply_id: str) -> str:
    return f"/v1/saved-replies/{quote(reply_id, safe='')}"
