"""A delivery whose file goes converted says so over REST, and why where nothing came of it."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from chat4all.channels import open_channel
from chat4all.cli.printing import timeline
from chat4all.model.content import Media
from chat4all.model.files import FileStatus
from chat4all.model.slots import slots
from chat4all.ports.waker import CONVERT
from chat4all.services.files.file_lifecycle import FileLifecycle
from tasks.conversion import job
from tasks.conversion.orders import UNREADABLE
from tasks.lanes.conversions import in_its_form
from tests.tasks import media_samples as samples
from tests.webapp.driver import Driver
from tests.webapp.uploading import Uploads

CARLA = "+5511999990001"


class Shop:
    """A service client that sends files to Carla on WhatsApp, whose limits are the real ones."""

    def __init__(self, uploads: Uploads) -> None:
        self.uploads, self.driver = uploads, uploads.driver
        self.limits = open_channel("instagram", uploads.parts.settings).limits
        self.channel = self.driver.parts.channels["whatsapp"]
        self.channel.limits = self.limits
        self.driver.service("crm", "send", "manage")
        self.driver.send("crm", to=[f"whatsapp:{CARLA}"])
        [self.first] = self.driver.process()

    def send(self, content: bytes, filename: str, mime_type: str, **payload: str) -> tuple[str, Media]:
        """The message's id, and the file as it is frozen for her."""
        talk = self.first.conversation_id
        file_id = self.uploads.whole(content, "crm", conversation_id=talk, filename=filename, mime_type=mime_type)
        said = {"type": "media", "file_id": file_id, **payload}
        message_id = self.driver.send("crm", conversation_id=talk, payload=said)["message_id"]
        *_, message = self.driver.process()
        [file] = [slot.payload for slot in slots(message) if isinstance(slot.payload, Media)]
        return message_id, file

    def asked(self, file: Media) -> str:
        """A lane looks for the converted file; the conversion's id."""
        here = self.uploads.parts
        in_its_form(here, file, self.limits)()
        [_, file_id] = self.driver.wakes.files[-1]
        return file_id

    def delivery(self, message_id: str) -> dict[str, Any]:
        shown = self.driver.ask("crm", "GET", f"/v1/messages/{message_id}")
        assert "form" not in shown["payload"]
        [found] = [each for each in shown["deliveries"] if each["channel"] == "whatsapp"]
        return dict(found)


@pytest.fixture
def shop(start: Callable[..., Driver]) -> Shop:
    uploads = Uploads(start())
    waking = uploads.driver.wakes
    uploads.parts = replace(uploads.parts, waker=waking)
    waking.work = lambda task, file_id: uploads.work(task, file_id) if task != CONVERT else None
    return Shop(uploads)


def test_a_delivery_says_that_its_file_goes_converted(shop: Shop) -> None:
    """Pending until it is made; it is no link, and the message itself stays what it was."""
    message_id, file = shop.send(samples.sound("webm", "libopus"), "note.webm", "audio/webm", kind="voice")
    assert shop.delivery(message_id)["conversion"] == {"form": "sound", "status": "pending"}
    job.convert(shop.uploads.parts, shop.asked(file))
    now = shop.delivery(message_id)
    assert (now["conversion"], now.get("sent_as")) == ({"form": "sound", "status": "made"}, None)
    assert "converted to sound" in "".join(timeline(shop.driver.ask("crm", "GET", f"/v1/messages/{message_id}")))


def test_a_delivery_says_why_its_file_was_not_converted(shop: Shop) -> None:
    """It goes as a link, and the reason stands beside it, also when the conversion's row has had its time."""
    message_id, file = shop.send(b"no picture at all", "beach.heic", "image/heic")
    assert shop.delivery(message_id).get("sent_as") is None
    here, file_id = shop.uploads.parts, shop.asked(file)
    job.convert(here, file_id)
    row = here.store.files([file_id])[file_id]
    assert row.status is FileStatus.FAILED
    for _ in range(2):
        now = shop.delivery(message_id)
        assert now["conversion"] == {"form": "picture", "status": "failed", "reason": UNREADABLE}
        assert now["sent_as"] == "link"
        told = "".join(timeline(shop.driver.ask("crm", "GET", f"/v1/messages/{message_id}")))
        assert f"as link (picture: {UNREADABLE})" in told
        FileLifecycle(here.store, here.objects, here.settings, clock=lambda: row.due_at + 1).look(row)
    assert here.store.files([file_id])[file_id].status is FileStatus.EXPIRED


def test_nobody_can_have_a_conversion_but_by_its_message(shop: Shop) -> None:
    """It is a file of no conversation: neither known, nor fetched, nor sent by its id."""
    _, file = shop.send(samples.sound("webm", "libopus"), "note.webm", "audio/webm", kind="voice")
    file_id = shop.asked(file)
    job.convert(shop.uploads.parts, file_id)
    for path in ("", "/presigned"):
        assert shop.driver.refused("crm", "GET", f"/v1/files/{file_id}{path}", expect=404)[0]
    said = {"type": "media", "file_id": file_id}
    refused = shop.driver.send("crm", conversation_id=shop.first.conversation_id, payload=said, expect=422)
    assert refused["code"] == "unknown_file"
