"""Uploads in tests: a conversation with two members and a stranger, and the client's part of the protocol."""

import hashlib
import os
from collections.abc import Sequence
from typing import Any

import pytest
from werkzeug.test import TestResponse

from chat4all.services.files.file_lifecycle import FileLifecycle
from tasks.files import file_tasks as workers
from tasks.resources import Parts
from tests.webapp.driver import Driver

PART = 5 << 20
BASE = "http://127.0.0.1:8002"


def digest(data: bytes) -> str:
    """sha256 in hex."""
    return hashlib.sha256(data).hexdigest()


class Uploads:
    """A gateway with parts of 5 MiB, whose wake-ups are carried out at once."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        driver.wakes.work = self.work
        driver.people("ana", "bob", "eve")
        self.conversation = driver.private("ana", "bob")
        here = driver.parts
        self.parts = Parts(here.settings, here.log, here.store, 1, here.objects)
        self.filing = FileLifecycle(here.store, here.objects, here.settings)

    def work(self, task: str, file_id: str) -> None:
        """What a worker does when woken."""
        workers.jobs(self.parts)[task](file_id)

    def sleep(self) -> None:
        """From now on no worker does anything when woken."""
        self.driver.wakes.work = lambda task, file_id: None

    def begin(self, size: int, who: str = "ana", expect: int = 201, **more: Any) -> Any:
        body = {"conversation_id": self.conversation, "filename": "tea.bin", "size": size, **more}
        return self.driver.ask(who, "POST", "/v1/files/initiate", body, expect)

    def put(self, url: str, data: bytes) -> TestResponse:
        """A client's PUT, without any token: the URL is enough."""
        return self.driver.client.put(url.removeprefix(BASE), data=data)

    def get(self, url: str, **headers: str) -> TestResponse:
        return self.driver.client.get(url.removeprefix(BASE), headers=headers)

    def bring(self, begun: Any, data: bytes, numbers: Sequence[int] | None = None) -> None:
        """PUT these parts of the data, by default all that are asked for."""
        for part in begun["parts"]:
            if numbers is None or part["number"] in numbers:
                start = (part["number"] - 1) * PART
                assert self.put(part["url"], data[start : start + PART]).status_code == 200

    def complete(self, file_id: str, checksum: str, who: str = "ana", expect: int = 200) -> Any:
        return self.driver.ask(who, "POST", "/v1/files/complete", {"file_id": file_id, "checksum": checksum}, expect)

    def whole(self, data: bytes, who: str = "ana", **more: Any) -> str:
        """A complete file; its id."""
        begun = self.begin(len(data), who, **more)
        self.bring(begun, data)
        self.complete(begun["file_id"], digest(data), who)
        return str(begun["file_id"])

    def form(self, data: bytes, who: str = "ana", filename: str = "tea.bin", key: str = "", **fields: str) -> TestResponse:
        """The one-request upload, under an Idempotency-Key where one is given."""
        lines = []
        for name, value in ({"conversation_id": self.conversation} | fields).items():
            lines += [b"--edge", f'Content-Disposition: form-data; name="{name}"'.encode(), b"", value.encode()]
        lines += [b"--edge", f'Content-Disposition: form-data; name="file"; filename="{filename}"'.encode(), b"", data]
        headers = {"Authorization": f"Bearer {self.driver.tokens[who]}", "Content-Type": "multipart/form-data; boundary=edge"}
        headers |= {"Idempotency-Key": key} if key else {}
        return self.driver.client.post("/v1/files", data=b"\r\n".join([*lines, b"--edge--", b""]), headers=headers)

    def url(self, file_id: str, who: str = "ana") -> str:
        return str(self.driver.ask(who, "GET", f"/v1/files/{file_id}/presigned")["url"])

    def status(self, file_id: str, who: str = "ana") -> Any:
        return self.driver.ask(who, "GET", f"/v1/files/{file_id}")

    def key(self, file_id: str) -> str:
        """Where a file's bytes are."""
        store = self.driver.parts.store
        return store.files([file_id])[file_id].object_key

    def stored(self) -> list[str]:
        """The keys of all objects on the disk."""
        folder = self.driver.parts.settings.data / "objects" / "objects"
        return sorted(each.name for each in folder.glob("*/*"))


@pytest.fixture
def uploads(start: Any) -> Uploads:
    """A gateway whose workers are at hand."""
    made = Uploads(start(file_part_size=PART, file_limit=3 * PART))
    made.driver.parts.file_waits.most_s = 0.2
    return made


def random_bytes(size: int) -> bytes:
    """So many."""
    return os.urandom(size)
