"""Files that people send on their channels: a message at once, a row to be fetched, and a worker told of it."""

from typing import Any

import pytest

from chat4all.model.content import Media
from chat4all.model.files import (
    ANY_TYPE,
    FileStatus,
)
from chat4all.model.ids import contact_id, inbound_file_id, provider_message_id
from tests.webapp.driver import Driver

PEOPLE = ("alice",)
CARLA = "+5511999990000"
PICTURE = {"media": "media-1", "mime_type": "image/png", "filename": "cat.png"}


@pytest.fixture
def woken(gateway: Driver) -> list[tuple[str, str]]:
    """What workers were told."""
    return gateway.wakes.files


def stored(driver: Driver, provider_id: str) -> Any:
    """The row of the file that this message of a provider brought, or None."""
    file_id = inbound_file_id(provider_message_id("whatsapp", "whatsapp-account", provider_id))
    return driver.parts.store.files([file_id]).get(file_id)


def test_a_file_comes_as_a_message_and_is_fetched_afterwards(gateway: Driver, woken: list[tuple[str, str]]) -> None:
    """The record names the file and keeps the words; the row says where a worker finds it, and the worker is told."""
    record = gateway.writes("whatsapp", CARLA, "my cat", "p1", **PICTURE)
    row = stored(gateway, "p1")
    assert record.payload == Media(row.file_id, "my cat", "cat.png", "image/png")
    assert (row.status, row.media, row.channel, row.owner) == (
        FileStatus.UPLOADING, "media-1", "whatsapp", contact_id("whatsapp", CARLA),
    )  # fmt: skip
    assert (row.conversation_id, row.message_id) == (record.conversation_id, record.message_id)
    assert woken == [("fetch_media", row.file_id)]


def test_a_webhook_that_comes_again_brings_no_second_file(gateway: Driver, woken: list[tuple[str, str]]) -> None:
    """The row stays as it is; that the worker is told once more does no harm."""
    part = {"type": "inbound", "address": CARLA, "text": "", "provider_id": "p1", **PICTURE}
    for _ in range(2):
        assert gateway.webhook("whatsapp", part).status_code == 200
    row = stored(gateway, "p1")
    assert row.version == 1
    assert set(woken) == {("fetch_media", row.file_id)}
    assert {each.message_id for each in gateway.records()} == {row.message_id}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"filename": "../../etc/passwd", "mime_type": ""}, ("passwd", ANY_TYPE)),
        ({"filename": "..\\boot.ini", "mime_type": "text/plain"}, ("boot.ini", "text/plain")),
        ({"filename": "", "mime_type": "image/png"}, ("file.png", "image/png")),
        ({"filename": "..", "mime_type": "image/png"}, ("file.png", "image/png")),
        ({"filename": "a\r\nSet-Cookie: x", "mime_type": "nonsense"}, ("aSet-Cookie: x", ANY_TYPE)),
    ],
)
def test_names_and_types_of_others_are_mended(gateway: Driver, given: dict[str, str], kept: tuple[str, str]) -> None:
    """No path, no control character, no type that is none: a person's file is not refused for what an app called it."""
    gateway.writes("whatsapp", CARLA, "", "p1", **PICTURE | given)
    row = stored(gateway, "p1")
    assert (row.filename, row.mime_type) == kept


def test_a_text_brings_no_file(gateway: Driver, woken: list[tuple[str, str]]) -> None:
    """No row, and no worker is told."""
    gateway.writes("whatsapp", CARLA, "hello", "p1")
    assert (stored(gateway, "p1"), woken) == (None, [])
