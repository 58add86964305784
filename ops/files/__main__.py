"""`python -m ops.files [short|full] [folder] [s3]`: uploads under cuts, downloads, limits and memory, on systems of their own.

Writes build/files.json. Ends with 1 when something is not as promised: sha256 equal, no acknowledged part brought again,
one byte beyond the limit refused, no process more than 64 MiB larger than before.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from msgspec import Struct, to_builtins

from ops.files.cuts import Cut, CutUpload, environment_of, moments
from ops.files.memory import Memory
from ops.harness.api import Api
from ops.harness.system import System
from ops.native.minio import Minio
from ops.native.processes import free_port
from ops.native.stack import default_home

MB = 1 << 20
GROWTH_MOST_MIB = 64
PARTS = ("gateway", "worker-channels", "worker-pipeline")
TARGET = Path("build/files.json")
REQUEST_TIMEOUT_S = 900


class Plan(Struct, frozen=True):
    """How much to do: the file that is cut, how often, and one without cuts; `part` is the size of parts.

    `warm` is the size of a first file, after which memory is flat, or it is not.
    """

    cut_size: int
    cuts: int
    plain_size: int
    part: int
    warm: int


PLANS = {"short": Plan(64 * MB, 3, 32 * MB, 5 * MB, 16 * MB), "full": Plan(2048 * MB, 10, 1800 * MB, 16 * MB, 256 * MB)}


class Report(Struct):
    """What came of one stack."""

    stack: str
    cuts: list[Cut]
    resent_acknowledged_parts: int
    sha256_equal: dict[str, bool]
    one_byte_too_many_is_refused: bool
    memory_growth_mib: dict[str, float]
    seconds: dict[str, float]

    def is_good(self) -> bool:
        """Whether all is as promised."""
        flat = all(each <= GROWTH_MOST_MIB for each in self.memory_growth_mib.values())
        return (
            flat
            and all(self.sha256_equal.values())
            and self.one_byte_too_many_is_refused
            and not self.resent_acknowledged_parts
        )


@contextmanager
def _store(name: str, folder: Path) -> Iterator[tuple[dict[str, str], Minio | None]]:
    """Settings of an object store, and its server where it has one."""
    if name == "folder":
        yield {}, None
        return
    server = Minio(default_home(), folder / "minio", free_port())
    server.start()
    try:
        named = {"CHAT4ALL_OBJECTS": f"s3://{server.address}/chat4all"}
        yield named | {"MINIO_ACCESS_KEY": server.user, "MINIO_SECRET_KEY": server.password}, server
    finally:
        server.kill9()


def _made(path: Path, size: int) -> str:
    """A file of random bytes; its sha256."""
    digest, source = hashlib.sha256(), random.Random(size)
    with path.open("wb") as file:
        while size > 0:
            chunk = source.randbytes(min(MB, size))
            digest.update(chunk)
            file.write(chunk)
            size -= len(chunk)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _one_request(base_url: str, token: str, conversation: str, file: Path) -> dict[str, Any]:
    """POST /v1/files, streamed from here as well."""

    def body() -> Iterator[bytes]:
        yield f'--edge\r\nContent-Disposition: form-data; name="conversation_id"\r\n\r\n{conversation}\r\n'.encode()
        yield f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n\r\n'.encode()
        with file.open("rb") as source:
            while chunk := source.read(MB):
                yield chunk
        yield b"\r\n--edge--\r\n"

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=edge"}
    answer = requests.post(f"{base_url}/v1/files", data=body(), headers=headers, timeout=REQUEST_TIMEOUT_S)
    answer.raise_for_status()
    done: dict[str, Any] = answer.json()
    return done


def _download(environment: dict[str, str], file_id: str, place: Path) -> str:
    """By the command line; the sha256 of what came."""
    subprocess.run([sys.executable, "-m", "chat4all", "download", file_id, str(place)], env=environment, check=True, stdout=-3)
    found = _digest(place)
    place.unlink()
    return found


class Trial:
    """One stack, with two people and a conversation."""

    def __init__(self, system: System, server: Minio | None, plan: Plan, folder: Path) -> None:
        self._system, self._server, self._plan, self._folder = system, server, plan, folder
        self._api = system.register("files-ana")
        system.register("files-ben").close()
        self._conversation = self._api.private("files-ben")
        self._environment = environment_of(system.settings.gateway_url) | {"CHAT4ALL_TOKEN": self._api.token}
        self._equal: dict[str, bool] = {}
        self._seconds: dict[str, float] = {}

    def close(self) -> None:
        """Hang up."""
        self._api.close()

    def _pids(self) -> dict[str, int]:
        try:
            pids = {name: self._system.pid(name) for name in PARTS}
        except OSError:
            return {}
        if self._server is not None and self._server.process is not None:
            pids["minio"] = self._server.process.pid
        return pids

    def _kill(self, what: str) -> None:
        if what == "gateway":
            self._system.wait_restarted("gateway", self._system.kill9("gateway"))
        elif self._server is not None:
            self._server.kill9()
            self._server.start()

    def _cut_upload(self, file: Path, checksum: str) -> CutUpload:
        kinds = ("client", "gateway") if self._server is None else ("client", "gateway", "minio")
        upload = CutUpload(self._api, self._environment, file, self._conversation)
        upload.begin()
        parts = -(-self._plan.cut_size // self._plan.part)
        for number, at in enumerate(moments(parts, self._plan.cuts, self._plan.cut_size)):
            kind = kinds[number % len(kinds)]
            upload.cut(kind, lambda kind=kind: self._kill(kind), at)  # type: ignore[misc]
        done = upload.finish()
        self._equal["cut upload"] = done["checksum"] == checksum
        place = self._folder / "down"
        self._equal["cut download"] = _download(self._environment, done["file_id"], place) == checksum
        return upload

    def _timed(self, name: str, began: float) -> None:
        self._seconds[name] = round(time.monotonic() - began, 1)

    def _plain(self, file: Path, checksum: str, api: Api) -> None:
        began = time.monotonic()
        done = _one_request(self._system.settings.gateway_url, api.token, self._conversation, file)
        self._timed("one request up", began)
        self._equal["one request"] = done["checksum"] == checksum
        began = time.monotonic()
        self._equal["its download"] = _download(self._environment, done["file_id"], self._folder / "down") == checksum
        self._timed("its download", began)

    def _is_limit_kept(self) -> bool:
        body = {"conversation_id": self._conversation, "filename": "a", "size": self._system.settings.file_limit + 1}
        # A new connection: the gateway was killed since the last one was used.
        api = self._system.api(self._api.token)
        try:
            return api.request("POST", "/v1/files/initiate", body)[0] == 413
        finally:
            api.close()

    def run(self, stack: str) -> Report:
        """All of it."""
        file = self._folder / "file.bin"
        # Warms every process up, so that what it loads once is not taken for growth.
        warm = _made(file, self._plan.warm)
        first = CutUpload(self._api, self._environment, file, self._conversation)
        first.begin()
        first.finish()
        self._plain(file, warm, self._api)
        with Memory(self._pids) as memory:
            checksum = _made(file, self._plan.cut_size)
            began = time.monotonic()
            upload = self._cut_upload(file, checksum)
            self._timed("cut upload and download", began)
            self._plain(file, _made(file, self._plan.plain_size), self._api)
        limit = self._is_limit_kept()
        return Report(stack, upload.cuts, upload.resent, self._equal, limit, memory.growth_mib(), self._seconds)


def _parts_of(plan: Plan) -> dict[str, str]:
    return {"CHAT4ALL_FILE_PART_SIZE": str(plan.part)}


def try_out(stack: str, plan: Plan) -> Report:
    """Everything on one stack, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="chat4all-files-"))
    try:
        with _store(stack, folder) as (env, server), System(folder / "data", env | _parts_of(plan)) as system:
            trial = Trial(system, server, plan, folder)
            try:
                return trial.run(stack)
            finally:
                trial.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run what was asked for."""
    asked = sys.argv[1:] or ["short"]
    plan = next((PLANS[each] for each in asked if each in PLANS), PLANS["short"])
    stacks = [each for each in asked if each in ("folder", "s3")] or ["folder"]
    reports = [try_out(stack, plan) for stack in stacks]
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(
        json.dumps({"plan": to_builtins(plan), "cores": os.cpu_count(), "stacks": to_builtins(reports)}, indent=2)
    )
    print(TARGET.read_text())
    return 0 if all(each.is_good() for each in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
