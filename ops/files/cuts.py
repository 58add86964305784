"""An upload by the command line that is cut again and again: the client is killed, or the gateway, or the object store."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from http.client import HTTPException
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from chat4all.client.transfers import UploadNote
from ops.harness.api import Api, Refused
from ops.harness.waiting import wait_until

PATIENCE_S = 600.0
ALL_THERE = 1_000_000


class Cut(Struct):
    """What was killed when so many parts were there."""

    what: str
    parts_there: int


class CutUpload:
    """One file on its way up. `resent`: parts that the store had taken and that were brought once more; must stay 0.

    Not among them is the part that was under way when its client or its server was killed: the store may take its last bytes,
    and nobody hears that it did. Parts go one by one, in order, so it is the first one that was not there.
    """

    def __init__(self, api: Api, environment: dict[str, str], file: Path, conversation: str) -> None:
        self._api = api
        self._file = file
        self._conversation = conversation
        self._folder = Path(tempfile.mkdtemp(prefix="upload-", dir=file.parent))
        self._environment = environment | {"CHAT4ALL_CONFIG": str(self._folder), "CHAT4ALL_TOKEN": api.token}
        self._etags: dict[int, str] = {}
        self._client: subprocess.Popen[bytes] | None = None
        self._landing: set[int] = set()
        self.resent = 0
        self.cuts: list[Cut] = []

    def begin(self) -> None:
        """Start the client, for the first time or again."""
        command = ["upload", str(self._file), "--conversation", self._conversation, "--no-send", "--json", "--parallel", "1"]
        with (self._folder / "out").open("wb") as out, (self._folder / "err").open("ab") as errors:
            self._client = subprocess.Popen(
                [sys.executable, "-m", "chat4all", *command], env=self._environment, stdout=out, stderr=errors
            )

    def pid(self) -> int:
        """The client's process; 0 while there is none."""
        return 0 if self._client is None or self._client.returncode is not None else self._client.pid

    def _file_id(self) -> str:
        for note in (self._folder / "uploads").glob("*.json"):
            return msgspec.json.decode(note.read_bytes(), type=UploadNote).file_id
        return ""

    def _parts(self) -> int:
        """How many parts are there; -1 while nobody can say. Notes whose etag has changed since the last look."""
        file_id = self._file_id()
        try:
            told: dict[str, Any] = self._api.call("GET", f"/v1/files/{file_id}/parts") if file_id else {"uploaded": []}
        except Refused as refused:
            # It was quicker than we looked: all parts are there, and nothing is under way any more.
            return ALL_THERE if isinstance(refused.body, dict) and refused.body.get("code") == "upload_over" else -1
        except (OSError, HTTPException):
            return -1
        for part in told.get("uploaded", []):
            number, etag = part["number"], part["etag"]
            if self._etags.setdefault(number, etag) != etag:
                self.resent += number not in self._landing
                self._landing = set()
            self._etags[number] = etag
        return len(told.get("uploaded", []))

    def _is_over(self) -> bool:
        return self._client is None or self._client.poll() is not None

    def cut(self, what: str, kill: Callable[[], None], at_parts: int) -> None:
        """Kill something as soon as so many parts are there; the client is started again if it has ended."""
        there = -1

        def reached() -> bool:
            nonlocal there
            if self._is_over():
                self.begin()
            there = self._parts()
            return there >= at_parts

        wait_until(f"{at_parts} parts", reached, PATIENCE_S, 0.02)
        if what == "client":
            self._kill_client()
        else:
            self._kill_server(kill)
        self._parts()
        self.cuts.append(Cut(what, there))

    def _kill_client(self) -> None:
        if self._client is not None:
            self._client.kill()
            self._client.wait()
        self._note_under_way()
        self.begin()

    def _kill_server(self, kill: Callable[[], None]) -> None:
        # The client stands still meanwhile: parts are small, and several could land between the look and the kill.
        client = self.pid()
        if client:
            os.kill(client, signal.SIGSTOP)
        try:
            self._note_under_way()
            kill()
        finally:
            if client:
                os.kill(client, signal.SIGCONT)

    def _note_under_way(self) -> None:
        """Parts go one by one: the first that is missing is the one under way. Of it a dying server may take the last bytes."""
        wait_until("somebody says which parts are there", lambda: self._parts() >= 0, PATIENCE_S, 0.02)
        self._landing = {self._first_missing()}

    def _first_missing(self) -> int:
        return next(number for number in count(1) if number not in self._etags)

    def finish(self) -> dict[str, Any]:
        """Wait for the end; the file as the client printed it."""

        def done() -> bool:
            if not self._is_over():
                return False
            if self._client is not None and self._client.returncode == 0:
                return True
            self.begin()
            return False

        wait_until("the upload", done, PATIENCE_S)
        told: dict[str, Any] = json.loads((self._folder / "out").read_text().splitlines()[-1])
        return told


def moments(parts: int, cuts: int, seed: int) -> Sequence[int]:
    """After how many parts to cut: random, ascending, never after the last."""
    chosen = random.Random(seed)
    return sorted(chosen.randrange(1, max(2, parts - 1)) for _ in range(cuts))


def environment_of(base_url: str) -> dict[str, str]:
    """What the client needs to find the gateway."""
    return {**os.environ, "CHAT4ALL_BASE_URL": base_url}
