"""Files that are uploaded and sent during a run, and fetched after it by those who got them."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from queue import Queue
from random import Random
from typing import TypeVar
from uuid import uuid4

import requests

from chat4all.client import ApiError, Client, Tokens
from chat4all.model.failures import Failure
from ops.faults.course import Course
from ops.faults.history import Accepted, Carried
from ops.harness.api import Api

SIZES = (1, 200_000, 3_000_000)
AGAIN_S = 1.0
PATIENCE_S = 120.0

T = TypeVar("T")


class Carrier:
    """One person who sends files to another, one after the other, in a thread of its own."""

    def __init__(self, run: Course) -> None:
        self._run = run
        self._folder = run.system.settings.data / "carried"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._sender, self._reader = sorted(run.crowd.people)[:2]
        members = {"type": "group", "members": [self._sender, self._reader]}
        self._talk = str(run.crowd.operator.call("POST", "/v1/conversations", members)["conversation_id"])
        self._wanted: Queue[int | None] = Queue()
        self._numbers = count()
        self._sent: dict[str, str] = {}
        self._thread = threading.Thread(target=self._work, name="carrier", daemon=True)
        self._thread.start()

    def send(self, seed: int) -> None:
        """Upload a file made from this seed, and send it. Returns at once."""
        self._wanted.put(seed)

    def end(self) -> None:
        """Wait until all that was wanted is sent."""
        self._wanted.put(None)
        self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            self._run.wrong.append("files could not be sent")

    def _work(self) -> None:
        with closing(self._client(self._run.crowd.people[self._sender])) as client:
            while (seed := self._wanted.get()) is not None:
                self._carry(client, seed)

    def _carry(self, client: Client, seed: int) -> None:
        random, path = Random(seed), self._folder / f"{seed}.bin"
        content = random.randbytes(random.choice(SIZES))
        path.write_bytes(content)
        file = _insist(lambda: client.upload(path, self._talk, notes=self._folder / f"{seed}.notes"))
        message_id, file_id = str(uuid4()), str(file["file_id"])
        _insist(lambda: client.send(message_id, conversation_id=self._talk, message_id=message_id, file_id=file_id))
        readers, now = frozenset({self._sender, self._reader}), int(time.time() * 1000)
        self._run.outcome.extra.append(
            Accepted(message_id, self._talk, next(self._numbers), readers, at=now, text=message_id, file=file_id)
        )
        self._sent[file_id] = hashlib.sha256(content).hexdigest()

    def _client(self, api: Api) -> Client:
        return Client(self._run.system.settings.gateway_url, tokens=Tokens(api.token))

    def carried(self) -> Sequence[Carried]:
        """What the other one gets of each file."""
        with closing(self._client(self._run.crowd.people[self._reader])) as client:
            return [Carried(file_id, sent, self._got(client, file_id)) for file_id, sent in self._sent.items()]

    def _got(self, client: Client, file_id: str) -> str:
        path = _insist(lambda: client.download(file_id, self._folder / file_id))
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _insist(act: Callable[[], T]) -> T:
    """Try until it is done, as people do; what still fails after that is the run's trouble."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return act()
        except (ApiError, Failure, OSError, requests.RequestException):
            if time.monotonic() > until:
                raise
            time.sleep(AGAIN_S)
