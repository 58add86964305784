"""Albums over REST: what is accepted, what is frozen for each channel, and how readers see it."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from chat4all.model.content import Album
from chat4all.model.records import CONTENT_VERSION, version_of
from tests.webapp.driver import Driver
from tests.webapp.uploading import Uploads


@pytest.fixture
def uploads(start: Callable[..., Driver]) -> Uploads:
    return Uploads(start())


def send(uploads: Uploads, *files: str, expect: int = 202, **more: Any) -> Any:
    payload = {"type": "album", "items": [{"file_id": each} for each in files], "caption": "look"}
    body = {"conversation_id": uploads.conversation, "payload": payload, **more}
    return uploads.driver.ask("ana", "POST", "/v1/messages", body, expect)


def test_an_album_carries_complete_files(uploads: Uploads) -> None:
    """All that a channel needs of each is frozen; readers see every file without the store's key; each is held by it."""
    tea, milk = uploads.whole(b"tea", filename="tea.png"), uploads.whole(b"milk", filename="milk.png")
    sent = send(uploads, tea, milk.upper())
    [message] = uploads.driver.process()
    assert isinstance(message.payload, Album)
    assert [(each.filename, each.size, each.object_key) for each in message.payload.items] == [
        ("tea.png", 3, uploads.key(tea)), ("milk.png", 4, uploads.key(milk)),
    ]  # fmt: skip
    assert version_of(message) == CONTENT_VERSION
    shown = uploads.driver.ask("bob", "GET", f"/v1/messages/{sent['message_id']}")["payload"]
    assert (shown["type"], shown["caption"]) == ("album", "look")
    assert [(each["file_id"], each["kind"], each["size"]) for each in shown["items"]] == [(tea, "image", 3), (milk, "image", 4)]
    assert "object_key" not in str(shown)
    store = uploads.driver.parts.store
    for file_id in (tea, milk):
        assert store.holders(store.files([file_id])[file_id].checksum, "", 9)
    again = send(uploads, tea, milk.upper(), message_id=sent["message_id"])
    assert again == sent
    refused = send(uploads, milk, tea, message_id=sent["message_id"], expect=409)
    assert refused["code"] == "message_id_conflict"


def test_each_file_must_be_there(uploads: Uploads) -> None:
    """Unfinished, another conversation's, unknown: 422 that says which; nothing of it is sent."""
    tea = uploads.whole(b"tea")
    eves = uploads.driver.private("eve", "bob")
    for wrong in (uploads.begin(10)["file_id"], uploads.whole(b"tea", "eve", conversation_id=eves), str(uuid4())):
        refused = send(uploads, tea, wrong, expect=422)
        assert (refused["code"], refused["errors"][0]["field"]) == ("unknown_file", "payload.items.1.file_id")
    assert uploads.driver.process() == []


def test_who_wants_nothing_adapted_gets_an_album_or_nothing(uploads: Uploads) -> None:
    """422 where the channel has no albums."""
    uploads.driver.service("crm", "send", "manage")
    group = uploads.driver.group("crm", "ana", "whatsapp:+5511999990000")
    tea, milk = (uploads.whole(each, conversation_id=group) for each in (b"tea", b"milk"))
    body = {"conversation_id": group, "adapt": False,
            "payload": {"type": "album", "items": [{"file_id": tea}, {"file_id": milk}]}}  # fmt: skip
    refused = uploads.driver.ask("ana", "POST", "/v1/messages", body, 422)
    assert refused["code"] == "not_supported"
    assert "whatsapp carries no album" in refused["detail"]
