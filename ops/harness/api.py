"""A cheap REST client: one kept connection; what writes is never repeated, so that a test sees what really was answered."""

import http.client
import json
import weakref
from collections.abc import Sequence
from typing import Any, Self

TIMEOUT_S = 30.0


class Refused(Exception):
    """The gateway answered with another status than was expected."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


class Api:
    """One connection to the gateway, used by one thread. OSError or HTTPException when the other side went away.

    A context manager that closes it. What is let go without a close, as by an error on the way, is closed with it.
    """

    def __init__(self, host: str, port: int, token: str = "") -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        weakref.finalize(self, self._connection.close)
        self.token = token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def login(self, who: str, secret: str) -> str:
        """Get an access token and use it from now on."""
        answer = self.call("POST", "/auth/token", {"client_id": who, "client_secret": secret})
        self.token = str(answer["access_token"])
        return self.token

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request; (status, decoded body). After a failure the next request connects anew; a GET does so at once."""
        try:
            return self._request(method, path, body)
        except (OSError, http.client.HTTPException):
            if method != "GET":
                raise
        return self._request(method, path, body)

    def _request(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, path, sent, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        return answer.status, json.loads(content) if content else None

    def call(self, method: str, path: str, body: Any = None, expect: Sequence[int] = (200, 201, 202, 204)) -> Any:
        """As `request`, giving the body only. Refused when the status is none of `expect`."""
        status, answer = self.request(method, path, body)
        if status not in expect:
            raise Refused(status, answer)
        return answer

    def private(self, *members: str) -> str:
        """The private conversation of these two; made if new."""
        made = self.call("POST", "/v1/conversations", {"type": "private", "members": list(members)})
        return str(made["conversation_id"])

    def send(self, message: dict[str, Any]) -> dict[str, Any]:
        """POST /v1/messages."""
        answer: dict[str, Any] = self.call("POST", "/v1/messages", message)
        return answer

    def send_batch(self, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """POST /v1/messages:batch; one result for each."""
        results: list[dict[str, Any]] = self.call("POST", "/v1/messages:batch", {"messages": list(messages)})["results"]
        return results

    def history(self, conversation_id: str) -> list[dict[str, Any]]:
        """All messages of a conversation, oldest first, page by page."""
        found: list[dict[str, Any]] = []
        since: object = 0
        while since is not None:
            page = self.call("GET", f"/v1/conversations/{conversation_id}/messages?since={since}&limit=200")
            found += page["messages"]
            since = page.get("next")
        return found

    def close(self) -> None:
        """Let go of the connection. Safe to call twice."""
        self._connection.close()
