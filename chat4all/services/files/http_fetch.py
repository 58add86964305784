"""Fetches URLs that come from outside, with limits of size and time. Nothing else in the service does.

A name is resolved once, by `PublicResolver`; all its addresses must be public, and those very addresses are connected to, with
the name in Host and TLS. Every redirect is checked like the first URL. No proxy and no netrc of the environment is read.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from chat4all.model.failures import Permanent, Temporary
from chat4all.model.url_guard import Allowed, Refused, is_public

CONNECT_S = 5.0
HOPS = 3
MOVED = (301, 302, 303, 307, 308)
# Beyond the first seconds a transfer that is slower than this holds a thread for little.
SLOW_AFTER_S = 10.0
LEAST_PER_S = 16 << 10
# Everything that an address is found by.
Lookup = Callable[[str, int], Coroutine[Any, Any, list[str]]]
Result = TypeVar("Result")


async def system_lookup(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


class PublicResolver(AbstractResolver):
    """Resolves names that lead to public addresses only; aiohttp connects to what it gets here and asks nobody again."""

    def __init__(self, allowed: Allowed, lookup: Lookup = system_lookup) -> None:
        self._allowed = allowed
        self._lookup = lookup

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """The addresses. Refused where one of them is not public."""
        found = list(dict.fromkeys(await self._lookup(host.rstrip("."), port)))
        if not found:
            raise OSError("no address")
        is_fine = self._allowed.is_own_place(host, port) or self._allowed.is_here(host, found)
        if not is_fine and not all(map(is_public, found)):
            raise Refused("not_public")
        return [_resolved(host, each, port) for each in found]

    async def close(self) -> None:
        """Nothing is held."""


def _resolved(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )


def session(allowed: Allowed, idle_s: float, lookup: Lookup = system_lookup, connections: int = 100) -> aiohttp.ClientSession:
    """A session on the running loop that goes nowhere else. Its redirects are the caller's to follow.

    `connections`: so many at once, 0 for no limit.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, resolver=PublicResolver(allowed, lookup), use_dns_cache=False),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=idle_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


class Transfer:
    """GETs by one thread, one after the other, all within `seconds`. Use as a context.

    Refused where a URL leads to what is not allowed; Temporary `unreachable`, `too_slow`; Permanent `too_large`.
    """

    def __init__(
        self,
        allowed: Allowed,
        seconds: float,
        idle_s: float,
        lookup: Lookup = system_lookup,
        slow_after_s: float = SLOW_AFTER_S,
    ) -> None:
        self._allowed = allowed
        self._slow_after_s = slow_after_s
        self._idle_s = idle_s
        self._lookup = lookup
        self._began = time.monotonic()
        self._until = self._began + seconds
        self._runner = asyncio.Runner()
        self._session: aiohttp.ClientSession | None = None
        self._answers: list[aiohttp.ClientResponse] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for answer in self._answers:
            answer.close()
        if self._session is not None:
            self._runner.run(self._session.close())
        self._runner.close()

    def get(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """The answer, its body not yet read. `headers` go to the first origin only."""
        return self._run(self._get(url, headers))

    def body(self, response: aiohttp.ClientResponse, most: int) -> Iterator[bytes]:
        """The answer's body as it comes, at most so many bytes of it."""
        if (response.content_length or 0) > most:
            raise Permanent("too_large")
        size, began = 0, time.monotonic()
        while chunk := self._run(response.content.readany()):
            size += len(chunk)
            if size > most:
                raise Permanent("too_large")
            spent = time.monotonic() - began
            if spent > self._slow_after_s and size < spent * LEAST_PER_S:
                raise Temporary("too_slow")
            yield chunk

    def beginning(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        """The first bytes of the answer's body, so many at most. The rest is not read."""
        got = bytearray()
        while len(got) < most and (chunk := self._run(response.content.readany())):
            got += chunk
        return bytes(got[:most])

    async def _get(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        asked = first = self._allowed.check(url)
        for _ in range(1 + HOPS):
            sent = headers if asked.origin() == first.origin() else {}
            response = await self._open().get(asked, headers=sent, allow_redirects=False)
            self._answers.append(response)
            place = response.headers.get("Location", "")
            if response.status not in MOVED or not place:
                return response
            asked = self._allowed.check(_joined(str(asked), place))
        raise Refused("redirects")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = session(self._allowed, self._idle_s, self._lookup)
        return self._session

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        try:
            return self._runner.run(self._timed(work))
        except aiohttp.InvalidURL:
            raise Refused("url") from None
        except aiohttp.ConnectionTimeoutError as error:
            raise Temporary("unreachable", type(error).__name__) from None
        except TimeoutError:
            raise Temporary("too_slow") from None
        except (aiohttp.ClientError, OSError) as error:
            # What the library says may hold the URL, and with it a secret.
            raise Temporary("unreachable", type(error).__name__) from None

    async def _timed(self, work: Coroutine[Any, Any, Result]) -> Result:
        async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
            return await work


def _joined(base: str, place: str) -> str:
    try:
        return urljoin(base, place)
    except ValueError:
        raise Refused("url") from None
