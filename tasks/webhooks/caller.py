"""One call to an endpoint: POST, signed, to a public address only, without redirects, within its time."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import aiohttp
from msgspec import Struct

from chat4all.channels.http import seconds_of
from chat4all.model.clock import now_ms
from chat4all.model.event_envelope import Envelope
from chat4all.model.failures import Failure
from chat4all.model.url_guard import Allowed
from chat4all.ports.webhooks import Webhook
from chat4all.services.files.http_fetch import session
from chat4all.services.webhooks.places import allowed
from chat4all.settings import Settings

# So much of an answer is kept in the log of calls; the rest is not read.
ANSWER_MOST = 4096
BODY_S = 2.0
GONE = 410
SUCCESS = range(200, 300)
AGENT = "chat4all-webhooks"
# Headers whose values everybody may see who may see the log of calls.
SHOWN = frozenset({"User-Agent", "Accept-Encoding", "Content-Type", "webhook-id", "webhook-timestamp"})
# Shorter ones are hidden by nobody: they would be found everywhere.
SECRET_LEAST = 4

# The headers that say who calls: the endpoint's own, and the signature of (id, time in seconds, body).
HeadersOf = Callable[[Webhook, str, int, bytes], Mapping[str, str]]


class Answer(Struct, frozen=True):
    """What a call came to. `status` is 0, and `error` says why, where there was no answer. `asked_s`: by Retry-After."""

    status: int = 0
    error: str = ""
    body: str = ""
    took_s: float = 0.0
    asked_s: float = 0.0

    @property
    def is_told(self) -> bool:
        """Whether the endpoint has taken it."""
        return self.status in SUCCESS

    @property
    def outcome(self) -> str:
        """In one word, for figures."""
        return "told" if self.is_told else f"{self.status // 100}xx" if self.status else self.error

    @property
    def why(self) -> str:
        """Why it counts as failed."""
        return "" if self.is_told else self.error or f"status {self.status}"


class Caller:
    """Calls endpoints on the running loop. Connections are kept. A call that hangs hinders no other endpoint's."""

    def __init__(self, settings: Settings, headers: HeadersOf) -> None:
        self._allowed, self._seconds, self._headers = allowed(settings), settings.webhook_timeout_s, headers
        self._proxy = settings.webhook_proxy
        self._session: aiohttp.ClientSession | None = None

    async def call(self, webhook: Webhook, said: Envelope) -> Answer:
        """Tell it. Never raises but for cancellation: whatever goes wrong is an answer."""
        began = time.monotonic()
        try:
            answer = await self._post(webhook, said)
        except TimeoutError:
            answer = Answer(error="timeout")
        except Failure as failure:
            answer = Answer(error=failure.reason, body=failure.detail)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # What the library says may hold the URL, and with it a secret.
            answer = Answer(error="unreachable", body=type(error).__name__)
        return Answer(answer.status, answer.error, answer.body, time.monotonic() - began, answer.asked_s)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session:
            await self._session.close()

    async def _post(self, webhook: Webhook, said: Envelope) -> Answer:
        url = self._allowed.check(webhook.url)
        headers = {
            "User-Agent": AGENT,
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            **{name.title(): value for name, value in said.headers.items()},
            **self._headers(webhook, said.event_id, now_ms() // 1000, said.body),
        }
        if self._session is None:
            # Each endpoint bounds its own calls: a bound of all would let those that hang keep others waiting.
            # Through a proxy nothing else is connected to: names are resolved there.
            reached = Allowed(own=self._proxy) if self._proxy else self._allowed
            self._session = session(reached, self._seconds, connections=0)
        # A compressed answer stays as it is: a small one may be a large one inside.
        calling = self._session.post(
            url, data=said.body, headers=headers, allow_redirects=False, proxy=self._proxy or None, auto_decompress=False
        )
        async with asyncio.timeout(self._seconds):
            response = await calling
        async with response:
            asked_s = seconds_of(response.headers.get("Retry-After", ""))
            return Answer(response.status, body=_hidden(await _beginning(response), headers), asked_s=asked_s)


def _hidden(text: str, headers: Mapping[str, str]) -> str:
    """What was answered, without what only the endpoint may know: some say again what they were sent."""
    for name, value in headers.items():
        if name not in SHOWN and len(value) >= SECRET_LEAST:
            text = text.replace(value, "[hidden]")
    return text


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Of the body, for people: what it counts as is decided by its status alone. A longer one costs its connection."""
    found = b""
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(BODY_S):
            while len(found) < ANSWER_MOST and (chunk := await response.content.read(ANSWER_MOST - len(found))):
                found += chunk
    return found.decode(errors="replace")
