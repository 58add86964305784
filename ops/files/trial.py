"""The trial itself: two people, a conversation, and files that go up under cuts and come down again."""

import hashlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from msgspec import Struct

from ops.files.cuts import Cut, CutUpload, environment_of, moments
from ops.files.memory import MIB, Memory, Use, resident
from ops.files.stacks import Stack
from ops.harness.system import System

GROWTH_MOST_MIB = 64
REQUEST_TIMEOUT_S = 900
PIECES = ("cuts", "plain")
CLIENT = "client"
KINDS = ("client", "gateway", "minio")


class Plan(Struct, frozen=True):
    """How much to do: the file that is cut, how often, and one without cuts; `part` is the size of parts.

    `warm` is the size of a first file, after which memory is flat, or it is not.
    """

    name: str
    cut_size: int
    cuts: int
    plain_size: int
    part: int
    warm: int


SHORT = Plan("short", 384 * MIB, 3, 32 * MIB, 5 * MIB, 16 * MIB)
FULL = Plan("full", 2048 * MIB, 10, 1800 * MIB, 16 * MIB, 256 * MIB)


class Report(Struct):
    """What came of one stack. `memory_mib`: see `Use`; the client's first file is its warm state."""

    stack: str
    plan: Plan
    pieces: list[str]
    cuts: list[Cut]
    resent_acknowledged_parts: int
    sha256_equal: dict[str, bool]
    one_byte_too_many_is_refused: bool
    memory_mib: dict[str, Use]
    memory_growth_mib: dict[str, float]
    seconds: dict[str, float]

    def wrong(self) -> list[str]:
        """What is not as promised."""
        found = [f"{name}: sha256" for name, equal in self.sha256_equal.items() if not equal]
        found += [f"{name}: {grown} MiB more" for name, grown in self.memory_growth_mib.items() if grown > GROWTH_MOST_MIB]
        found += ["one byte too many is taken"] * (not self.one_byte_too_many_is_refused)
        return found + ["acknowledged parts are brought again"] * bool(self.resent_acknowledged_parts)


class Trial:
    """A running system on one stack, and what is found on it."""

    def __init__(self, system: System, stack: Stack, plan: Plan, folder: Path) -> None:
        self._system, self._stack, self._plan, self._folder = system, stack, plan, folder
        self._api = system.register("files-ana")
        system.register("files-ben").close()
        self._conversation = self._api.private("files-ben")
        self._environment = environment_of(system.settings.gateway_url) | {"CHAT4ALL_TOKEN": self._api.token}
        self._file = folder / "file.bin"
        self._client: Callable[[], int] = lambda: 0
        self._equal: dict[str, bool] = {}
        self._seconds: dict[str, float] = {}

    def close(self) -> None:
        """Hang up."""
        self._api.close()

    def run(self, pieces: Sequence[str] = PIECES) -> Report:
        """These pieces of it, after a first file that warms every process up."""
        before = resident(self._pids())
        with Memory(self._pids) as first:
            self._cut_upload(self._plan.warm, 0)
            self._one_request(self._plan.warm)
        warm = resident(self._pids()) | {CLIENT: first.most[CLIENT]}
        self._equal = {f"first {name}": equal for name, equal in self._equal.items()}
        self._seconds, upload = {}, None
        with Memory(self._pids) as memory:
            if "cuts" in pieces:
                upload = self._cut_upload(self._plan.cut_size, self._plan.cuts)
            if "plain" in pieces:
                self._one_request(self._plan.plain_size)
        uses = {name: Use(before.get(name, 0.0), warm[name], max(memory.most.get(name, 0.0), warm[name])) for name in warm}
        return Report(
            stack=self._stack.name,
            plan=self._plan,
            pieces=list(pieces),
            cuts=upload.cuts if upload else [],
            resent_acknowledged_parts=upload.resent if upload else 0,
            sha256_equal=self._equal,
            one_byte_too_many_is_refused=self._is_limit_kept(),
            memory_mib={name: use.rounded() for name, use in sorted(uses.items())},
            memory_growth_mib={name: round(use.most - use.warm, 1) for name, use in sorted(uses.items())},
            seconds=self._seconds,
        )

    def _pids(self) -> dict[str, int]:
        try:
            pids = self._system.pids()
        except OSError:
            return {}
        servers = {name: each.process for name, each in self._stack.servers.items()}
        pids |= {name: process.pid for name, process in servers.items() if process is not None}
        return {name: pid for name, pid in {**pids, CLIENT: self._client()}.items() if pid}

    def _kill(self, what: str) -> None:
        if what == "gateway":
            # With it whoever serves the bytes of a folder: else the upload would go on, and be over before the next cut.
            there = self._system.pids()
            killed = {part: self._system.kill9(part) for part in ("objects", "gateway") if part in there}
            for part, pid in killed.items():
                self._system.wait_restarted(part, pid)
        else:
            self._stack.servers[what].kill9()
            self._stack.servers[what].start()

    def _cut_upload(self, size: int, cuts: int) -> CutUpload:
        """In parts by the command line, and down again."""
        checksum = made(self._file, size)
        kinds = [each for each in KINDS if each != "minio" or "minio" in self._stack.servers]
        upload = CutUpload(self._api, self._environment, self._file, self._conversation)
        self._client = upload.pid
        with self._timed("cut upload"):
            upload.begin()
            for number, at in enumerate(moments(-(-size // self._plan.part), cuts, size)):
                kind = kinds[number % len(kinds)]
                upload.cut(kind, lambda kind=kind: self._kill(kind), at)  # type: ignore[misc]
            done = upload.finish()
        self._equal["cut upload"] = done["checksum"] == checksum
        self._download("its download", done["file_id"], checksum)
        return upload

    def _one_request(self, size: int) -> None:
        checksum = made(self._file, size)
        with self._timed("one request"):
            done = one_request(self._system.settings.gateway_url, self._api.token, self._conversation, self._file)
        self._equal["one request"] = done["checksum"] == checksum
        self._download("download of the one request", done["file_id"], checksum)

    def _download(self, name: str, file_id: str, checksum: str) -> None:
        """By the command line."""
        place = self._folder / "down"
        command = [sys.executable, "-m", "chat4all", "download", file_id, str(place)]
        with self._timed(name), subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL) as process:
            self._client = lambda: process.pid
            status = process.wait(REQUEST_TIMEOUT_S)
        self._equal[name] = status == 0 and digest(place) == checksum
        place.unlink(missing_ok=True)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._seconds[name] = round(time.monotonic() - began, 1)

    def _is_limit_kept(self) -> bool:
        body = {"conversation_id": self._conversation, "filename": "a", "size": self._system.settings.file_limit + 1}
        # A new connection: the gateway was killed since the last one was used.
        api = self._system.api(self._api.token)
        try:
            return api.request("POST", "/v1/files/initiate", body)[0] == 413
        finally:
            api.close()


def made(path: Path, size: int) -> str:
    """A file of random bytes; its sha256."""
    found, source = hashlib.sha256(), random.Random(size)
    with path.open("wb") as file:
        while size > 0:
            chunk = source.randbytes(min(MIB, size))
            found.update(chunk)
            file.write(chunk)
            size -= len(chunk)
    return found.hexdigest()


def digest(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def one_request(base_url: str, token: str, conversation: str, file: Path) -> dict[str, Any]:
    """POST /v1/files, streamed from here as well."""

    def body() -> Iterator[bytes]:
        yield f'--edge\r\nContent-Disposition: form-data; name="conversation_id"\r\n\r\n{conversation}\r\n'.encode()
        yield f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'.encode()
        with file.open("rb") as source:
            while chunk := source.read(MIB):
                yield chunk
        yield b"\r\n--edge--\r\n"

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=edge"}
    answer = requests.post(f"{base_url}/v1/files", data=body(), headers=headers, timeout=REQUEST_TIMEOUT_S)
    answer.raise_for_status()
    done: dict[str, Any] = answer.json()
    return done
