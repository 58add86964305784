"""The simulator's control side: what people's phones got, what people write, how providers behave."""

from typing import Any

import requests

TIMEOUT_S = 30.0


class Phones:
    """Everybody who is reached through the simulated providers."""

    def __init__(self, url: str) -> None:
        self._control = f"{url}/control"
        self._session = requests.Session()

    def sent(self, channel: str = "", to: str = "", after: int = 0) -> list[dict[str, Any]]:
        """What arrived, in order of arrival, without the first `after`."""
        answer = self._ask("GET", "/sent", params={"channel": channel, "to": to, "after": str(after)})
        found: list[dict[str, Any]] = answer["sent"] if isinstance(answer, dict) else answer
        return found

    def write(self, channel: str, sender: str, text: str, **more: Any) -> dict[str, Any]:
        """A person writes to the business. `more`: name, reply_to, file (filename, mime_type, content in base64)."""
        answer: dict[str, Any] = self._ask("POST", "/inbound", json={"channel": channel, "from": sender, "text": text, **more})
        return answer

    def behave(self, channel: str, **behaviour: Any) -> None:
        """How a provider answers from now on: rules, delay_ms, drop_response_rate, receipts."""
        self._ask("PUT", "/behaviour", json={"channel": channel, **behaviour})

    def stats(self) -> dict[str, Any]:
        """Counts."""
        answer: dict[str, Any] = self._ask("GET", "/stats")
        return answer

    def forget(self) -> None:
        """Back to the beginning: nothing arrived, every provider well-behaved."""
        self._ask("DELETE", "")

    def _ask(self, method: str, path: str, **what: Any) -> Any:
        answer = self._session.request(method, self._control + path, timeout=TIMEOUT_S, **what)
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()
