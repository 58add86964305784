"""What readers cost who only wait, and how soon all are back after their process was killed (`make bench BENCH=readers`).

Each is a browser's stream: a ticket, Server-Sent Events, one user with one conversation. COUNT: how many, 10,000 at first.
"""

import asyncio
import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast
from urllib.parse import quote

import psutil
import uvloop
from msgspec import Struct, to_builtins
from rich.console import Console

from chat4all.model.callers import Caller
from chat4all.model.clock import now_ms
from chat4all.model.conversations import Conversation, ConversationType, User, UserKind
from chat4all.model.ids import private_conversation_id
from chat4all.root import ROOT
from chat4all.services.access import tokens
from ops.bench.cpu import used
from ops.harness.guard import refuse_real
from ops.harness.system import System
from storage.open import open_store

COUNT = int(os.environ.get("COUNT", "10000"))
LIFE_S = 3600
IDLE_S = 20.0
PATIENCE_S = 240.0
PART = "stream"
# As docs/browser.html: the first pause, and the longest.
FIRST_S, LONGEST_S = 0.25, 10.0
# So many connections are begun at once at first: people do not all come in the same moment. After the kill they do.
AT_ONCE = 200
CHUNK = 500


class Rested(Struct, frozen=True):
    """KiB for each reader, thousandths of a core with and without them, and seconds from the kill until they were back.

    `all_back_cpu_s`: of processor time that the new process had used by then, its start too.
    """

    readers: int
    memory_kib: float
    idle_millicores: float
    idle_millicores_without: float
    half_back_s: float
    all_back_s: float
    all_back_cpu_s: float
    load_before: float


class Browser(asyncio.Protocol):
    """One reader. It opens its stream anew whenever it ends, with another ticket and its last cursor."""

    def __init__(self, crowd: "Crowd", user: str) -> None:
        self._crowd, self._user = crowd, user
        self._cursor, self._tries = "", 0
        self._transport: asyncio.Transport | None = None

    async def open(self) -> None:
        """Connect; what cannot be is tried again."""
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._crowd.port)
        except OSError:
            self.connection_lost(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self._transport = cast("asyncio.Transport", transport)
        path = f"/v1/events?ticket={self._crowd.ticket(self._user)}&cursor={quote(self._cursor)}"
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Caught up: the block with an id says so. Who is refused comes again."""
        if data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 200"):
            self._crowd.refused[data[9:12].decode()] += 1
            self.close()
        _, found, rest = data.partition(b"\nid: ")
        if found:
            self._cursor, self._tries = rest.partition(b"\n")[0].decode(), 0
            self._crowd.live.add(self._user)

    def connection_lost(self, _error: Exception | None) -> None:
        """Come again, each in its own time."""
        self._crowd.live.discard(self._user)
        pause = min(LONGEST_S, FIRST_S * 2**self._tries) * random.uniform(0.5, 1.5)
        self._tries += 1
        if not self._crowd.is_over:
            asyncio.get_running_loop().call_later(pause, lambda: self._crowd.begin(self))

    def close(self) -> None:
        """Go."""
        if self._transport:
            self._transport.abort()


class Crowd:
    """All readers, and who of them is live."""

    def __init__(self, system: System, users: Sequence[str]) -> None:
        self.port = system.settings.events_port
        self.live: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.is_over = False
        self._secret = system.settings.secret("jwt")
        self._until = now_ms() + LIFE_S * 1000
        self._under_way: set[asyncio.Task[None]] = set()
        self.readers = [Browser(self, user) for user in users]

    def ticket(self, user: str) -> str:
        """As the gateway gives it."""
        return tokens.issue_ticket(Caller(user), self._until, self._secret)[0]

    def begin(self, reader: Browser) -> None:
        """Let it connect."""
        task = asyncio.get_running_loop().create_task(reader.open())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def come(self) -> None:
        """All, some at a time."""
        for start in range(0, len(self.readers), AT_ONCE):
            for each in self.readers[start : start + AT_ONCE]:
                self.begin(each)
            await self.until(min(start + AT_ONCE, len(self.readers)))

    async def until(self, count: int) -> None:
        """Wait until so many are live. TimeoutError when that does not come."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.live) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.live):,} of {count:,} are live; refused: {dict(self.refused)}")
            await asyncio.sleep(0.02)

    def end(self) -> None:
        """All go."""
        self.is_over = True
        for each in self.readers:
            each.close()


def people(system: System) -> list[str]:
    """Users in pairs, each with a private conversation."""
    users = [f"reader-{number:05d}" for number in range(COUNT)]
    store, now = open_store(system.settings), now_ms()
    for some in _chunks(users):
        store.add_users([User(each, UserKind.PERSON, now) for each in some])
        pairs = zip(some[::2], some[1::2], strict=False)
        store.add_conversations([(_talk(*pair, now), pair) for pair in pairs])
    store.close()
    return users


def _talk(one: str, other: str, at: int) -> Conversation:
    return Conversation(private_conversation_id(one, other), ConversationType.PRIVATE, one, at)


def _chunks(users: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(users), CHUNK):
        yield users[start : start + CHUNK]


async def measure(system: System, users: Sequence[str], console: Console) -> Rested:
    """The process alone, with all readers, and after it was killed."""
    load_before = round(os.getloadavg()[0], 2)
    without, lean = await _resting(system), _memory(system)
    crowd = Crowd(system, users)
    console.print(f"{len(users):,} readers come …")
    await crowd.come()
    console.print(f"all rest for {IDLE_S:.0f} s …")
    resting, full = await _resting(system), _memory(system)
    memory = (full - lean) / 1024 / len(users)
    console.print(f"{memory:.1f} KiB a reader, {resting:.1f} thousandths of a core; kill -9 …")
    killed = time.monotonic()
    await asyncio.to_thread(system.kill9, PART)
    while crowd.live:
        await asyncio.sleep(0.01)
    await crowd.until(len(users) // 2)
    half = time.monotonic() - killed
    await crowd.until(len(users))
    back, spent = time.monotonic() - killed, (await asyncio.to_thread(used, system, {}))[PART][1]
    crowd.end()
    return Rested(
        len(users),
        memory_kib=round(memory, 1),
        idle_millicores=round(resting, 1),
        idle_millicores_without=round(without, 1),
        half_back_s=round(half, 1),
        all_back_s=round(back, 1),
        all_back_cpu_s=round(spent, 1),
        load_before=load_before,
    )


def _memory(system: System) -> int:
    """Bytes that the process has for itself."""
    return int(psutil.Process(system.pid(PART)).memory_full_info().uss)


async def _resting(system: System) -> float:
    """Thousandths of a core."""
    before = (await asyncio.to_thread(used, system, {}))[PART][1]
    await asyncio.sleep(IDLE_S)
    return ((await asyncio.to_thread(used, system, {}))[PART][1] - before) / IDLE_S * 1000


def main(console: Console) -> int:
    """Measure, print, write build/readers.json."""
    with tempfile.TemporaryDirectory(prefix="chat4all-readers-") as folder:
        system = System(Path(folder) / "data")
        refuse_real(system.settings)
        with system:
            found = uvloop.run(measure(system, people(system), console))
    console.print_json(data=to_builtins(found))
    path = ROOT / "build" / "readers.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_builtins(found), indent=2) + "\n")
    console.print(f"[dim]{path.relative_to(ROOT)}")
    return 0
