"""The HTTP client of the channels: one kept-alive session per account; maps each way a call can fail to a kind of failure."""

from math import isfinite
from typing import Any

import aiohttp
from msgspec import Struct
from yarl import URL

from chat4all.model.failures import Failure, Temporary, Unknown

CONNECTIONS = 100
# aiohttp adds these to every request; providers ignore them, and both sides pay for them.
UNWANTED = ("Accept", "Accept-Encoding")
# A proxy's words for: passed on, and no answer came. Without the provider's own words nobody knows what it did.
UNANSWERED = frozenset({408, 499, 502, 504, 520, 524})


class Answer(Struct, frozen=True):
    """What a provider answered. `retry_after` is the header's seconds, 0 when it was not given."""

    status: int
    body: bytes
    retry_after: float = 0.0


class Http:
    """Calls to one provider. The session is made on the loop that first calls; `timeout_s` is for one whole call."""

    def __init__(self, timeout_s: float, headers: dict[str, str]) -> None:
        # A connection that takes most of the time was never made: then nothing was sent, and the outcome is known.
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, connect=timeout_s * 0.6)
        self._headers = {"Content-Type": "application/json", "User-Agent": "chat4all", **headers}
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: URL, body: bytes) -> Answer:
        """Send JSON. Temporary when nothing left; Unknown when it left and no whole answer came."""
        return await self._call("POST", url, body, Unknown)

    async def upload(self, url: URL, form: aiohttp.MultipartWriter, seconds: float) -> Answer:
        """Send a form with a file within so many seconds. Temporary when no answer came: it may be sent again."""
        timeout = aiohttp.ClientTimeout(total=seconds, connect=self._timeout.connect)
        return await self._call("POST", url, form, Temporary, timeout=timeout, headers={"Content-Type": form.content_type})

    async def get(self, url: URL) -> Answer:
        """Ask. Temporary when no answer came: asking changes nothing."""
        return await self._call("GET", url, None, Temporary)

    async def delete(self, url: URL) -> Answer:
        """Delete. Temporary when no answer came: it may be said again."""
        return await self._call("DELETE", url, None, Temporary)

    async def close(self) -> None:
        """Let go of connections. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _call(self, method: str, url: URL, body: Any, lost: type[Failure], **how: Any) -> Answer:
        try:
            async with self._open().request(method, url, data=body, allow_redirects=False, **how) as response:
                return Answer(response.status, await response.read(), seconds_of(response.headers.get("Retry-After", "")))
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise Temporary("unreachable", type(error).__name__) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise lost("no_answer", type(error).__name__) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ttl_dns_cache=300),
                headers=self._headers,
                skip_auto_headers=UNWANTED,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def seconds_of(header: str) -> float:
    """What a Retry-After header asks for; 0 where it names no number of seconds."""
    try:
        seconds = float(header)
    except ValueError:
        return 0.0
    return max(0.0, seconds) if isfinite(seconds) else 0.0
