"""The file calls over each object store: equal files, wrong parts, and what comes too early, late or twice."""

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from limits.storage import MemoryStorage

from chat4all.ports import ObjectStore
from chat4all.settings import Settings
from tests.contracts.objects import TIMEOUT_S
from tests.wakes import Wakes
from tests.webapp.channels import both
from tests.webapp.driver import Driver
from tests.webapp.uploading import PART, Uploads, digest, random_bytes
from webapp.app import create_app

LARGE = 100 << 20
DATA = random_bytes(2 * PART + 1000)


class Calls(Uploads):
    """Uploads whose bytes go where the URLs say."""

    def put(self, url: str, data: bytes) -> Any:
        return requests.put(url, data=data, timeout=TIMEOUT_S)

    def get(self, url: str, **headers: str) -> Any:
        return requests.get(url, headers=headers, timeout=TIMEOUT_S)


@pytest.fixture
def calls(objects: ObjectStore, objects_settings: Settings) -> Iterator[Calls]:
    """A gateway on the store, whose workers are at hand; `objects` serves the URLs."""
    chosen = objects_settings.model_copy(update={"file_part_size": PART})
    made = Calls(Driver(create_app(chosen, both(), MemoryStorage(), Wakes())))
    yield made
    made.driver.close()


def test_the_same_100_mb_of_two_users_are_one_object(calls: Calls, objects: ObjectStore) -> None:
    """In conversations of their own: each reads theirs, byte for byte, and neither those of the other, nor does a third."""
    calls.driver.people("zoe")
    data = random.Random(7).randbytes(LARGE)
    mine = calls.whole(data)
    eves = calls.driver.private("eve", "bob")
    theirs = calls.whole(data, "eve", conversation_id=eves)
    kept = calls.driver.parts.store.files([mine, theirs])
    assert {each.object_key for each in kept.values()} == {kept[mine].own_key}
    assert [objects.size(kept[each].own_key) for each in (mine, theirs)] == [LARGE, None]
    for who, file_id in (("ana", mine), ("eve", theirs)):
        assert hashlib.sha256(calls.get(calls.url(file_id, who)).content).hexdigest() == digest(data)
    for who, file_id in (("eve", mine), ("ana", theirs), ("zoe", mine), ("zoe", theirs)):
        assert calls.driver.refused(who, "GET", f"/v1/files/{file_id}/presigned", None, 404)[0] == "unknown_file"


@pytest.mark.parametrize("length", [1, PART - 1, PART + 1])
def test_a_part_of_another_size_does_not_count(calls: Calls, length: int) -> None:
    """Refused at once, or listed as missing: the upload is not complete before the part has come in its size."""
    begun = calls.begin(len(DATA))
    calls.bring(begun, DATA, [1, 3])
    calls.put(begun["parts"][1]["url"], bytes(length))
    refused = calls.complete(begun["file_id"], digest(DATA), expect=409)
    assert (refused["code"], refused["missing"]) == ("incomplete", [2])
    there = calls.driver.ask("ana", "GET", f"/v1/files/{begun['file_id']}/parts")
    assert [each["number"] for each in there["parts"]] == [2]
    calls.bring(there, DATA)
    assert calls.complete(begun["file_id"], digest(DATA))["status"] == "ready"


def test_completing_too_early_and_twice(calls: Calls) -> None:
    """409 with what is missing; then 200, and 200 again; 422 with another checksum. Afterwards no part is taken any more."""
    begun = calls.begin(len(DATA))
    assert calls.complete(begun["file_id"], digest(DATA), expect=409)["missing"] == [1, 2, 3]
    calls.bring(begun, DATA)
    for _ in range(2):
        assert calls.complete(begun["file_id"], digest(DATA))["status"] == "ready"
    assert calls.complete(begun["file_id"], digest(b""), expect=422)["code"] == "checksum_mismatch"
    assert calls.put(begun["parts"][0]["url"], bytes(PART)).status_code == 404
    assert calls.get(calls.url(begun["file_id"])).content == DATA


def test_a_wrong_checksum_is_mended_by_the_part_that_was_wrong(calls: Calls) -> None:
    """422; all parts are still there, one is brought again, and the file is complete."""
    begun = calls.begin(len(DATA))
    calls.bring(begun, DATA[:PART] + bytes(PART) + DATA[2 * PART :])
    assert calls.complete(begun["file_id"], digest(DATA), expect=422)["code"] == "checksum_mismatch"
    there = calls.driver.ask("ana", "GET", f"/v1/files/{begun['file_id']}/parts")
    assert [[each["number"] for each in there[of]] for of in ("uploaded", "parts")] == [[1, 2, 3], [1, 2, 3]]
    assert calls.put(there["parts"][1]["url"], DATA[PART : 2 * PART]).status_code == 200
    assert calls.complete(begun["file_id"], digest(DATA))["status"] == "ready"


def test_one_request_goes_to_the_store(calls: Calls) -> None:
    """As a stream; it is fetched with its name and type, as an attachment."""
    told = json.loads(calls.form(DATA, filename="chá.pdf").data)
    answer = calls.get(calls.url(told["file_id"], "bob"))
    assert (answer.content, answer.headers["Content-Type"]) == (DATA, "application/pdf")
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
