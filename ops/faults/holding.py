"""Clients that are slow on purpose: `python -m ops.faults.holding HOST GATEWAY_PORT OBJECTS_PORT SECONDS PATH TARGET`.

They hold on to connections in every way there is, come again when they are cut off, and end by themselves. Prints, as JSON,
how often each kind came and was cut. PATH: of a large file's signed URL. TARGET: the request line and head of a large answer.
"""

import asyncio
import json
import resource
import socket
import sys
import time
from collections import Counter

from msgspec import Struct

STEP_S = 1.0
AWHILE_S = 20.0
FILES = 16_384
HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\n"
BODY = HEAD + b"Content-Length: 500000\r\n\r\n"


class Kind(Struct, frozen=True):
    """So many clients that say `said`, then a byte each second of `drip`; `unread`: they take nothing of the answer."""

    name: str
    clients: int
    said: bytes
    drip: bytes = b""
    unread: bool = False
    objects: bool = False


def kinds(path: str, target: str) -> list[Kind]:
    """All ways to hold on."""
    unread = f"GET {path} HTTP/1.1\r\nHost: slow\r\n\r\n".encode()
    return [
        Kind("idle", 2000, b""),
        Kind("half a head", 100, HEAD + b"X-Half: "),
        Kind("half a body", 100, BODY + b"{" * 20_000),
        Kind("a head that drips", 100, HEAD + b"X-Drip: ", b"x"),
        Kind("a body that drips", 100, BODY, b"x"),
        Kind("an unread download", 200, unread, unread=True, objects=True),
        Kind("an unread download at the gateway", 50, unread, unread=True),
        Kind("an unread answer", 40, target.encode(), unread=True),
        Kind("half a head at the files", 100, HEAD, objects=True),
    ]


class Holder:
    """One client, again and again until the time is over."""

    def __init__(self, kind: Kind, place: tuple[str, int], until: float, counts: Counter[str]) -> None:
        self._kind, self._place, self._until, self._counts = kind, place, until, counts

    async def run(self) -> None:
        """Hold on."""
        while time.monotonic() < self._until:
            with socket.socket() as held:
                held.setblocking(False)
                if self._kind.unread:
                    held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                try:
                    await self._hold(held)
                except OSError:
                    self._counts[f"{self._kind.name}: cut"] += 1
            await asyncio.sleep(STEP_S / 2)

    async def _hold(self, held: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.wait_for(loop.sock_connect(held, self._place), AWHILE_S)
        self._counts[f"{self._kind.name}: came"] += 1
        await loop.sock_sendall(held, self._kind.said)
        leaves = time.monotonic() + AWHILE_S
        while time.monotonic() < self._until:
            await asyncio.sleep(STEP_S)
            if self._kind.drip:
                await loop.sock_sendall(held, self._kind.drip)
            if self._kind.unread:
                if time.monotonic() > leaves:
                    return
            else:
                _look(held)


def _look(held: socket.socket) -> None:
    """ConnectionError when the other side has ended it."""
    try:
        if not held.recv(1 << 12):
            raise ConnectionResetError
    except BlockingIOError:
        return


async def main(host: str, gateway: int, objects: int, seconds: float, path: str, target: str) -> Counter[str]:
    """All of them, for so long."""
    until, counts = time.monotonic() + seconds, Counter[str]()
    holders = [
        Holder(kind, (host, objects if kind.objects else gateway), until, counts)
        for kind in kinds(path, target)
        for _ in range(kind.clients)
    ]
    await asyncio.gather(*(each.run() for each in holders))
    return counts


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, FILES) if most > 0 else FILES, most))
    where, first, second, duration, file_path, answer = sys.argv[1:]
    told = asyncio.run(main(where, int(first), int(second), float(duration), file_path, answer))
    json.dump(dict(told), sys.stdout)
