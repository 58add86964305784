"""A file's bytes reach each provider in the provider's own way, without a link to ours; what it does not take it refuses."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from chat4all.channels import CHANNELS, open_channel
from chat4all.model.content import Media
from chat4all.model.failures import Permanent
from chat4all.model.messages import Recipient
from chat4all.ports import Body, Channel, Outgoing, Taken, Uploaded
from chat4all.services.acceptance.renditions import rendered
from ops.demo.pictures import voice_note
from tasks.lanes.attempt import Sender
from tasks.lanes.outcome import Done
from tasks.lanes.writer import Writer
from tests.simulator.conftest import World
from tests.tasks import media_samples as samples
from tests.tasks.world import granted, message, new_id, threads
from tests.tasks.world import world as road

PEOPLE = {"whatsapp": "+5511999990001", "instagram": "6789012345", "telegram": "123456789", "messenger": "7789012345"}
BYTES = b"\x89PNG 0123456789" * 50_000
# What each channel is given as, for each kind of file: the provider's own word.
KINDS: dict[str, dict[str, str]] = {
    "whatsapp": {"image/png": "image", "application/pdf": "document", "audio/ogg": "audio", "video/mp4": "video"},
    "messenger": {"image/png": "image", "application/pdf": "file", "audio/mpeg": "audio", "video/mp4": "video"},
    "telegram": {
        "image/png": "photo", "application/pdf": "document", "audio/ogg": "voice", "video/mp4": "video",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "document", "audio/mpeg": "audio",
    },
}  # fmt: skip
CASES = [(channel, mime_type, kind) for channel, kinds in KINDS.items() for mime_type, kind in kinds.items()]


def body(content: bytes = BYTES) -> Body:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 1 << 18):
            yield content[start : start + (1 << 18)]

    return Body(len(content), chunks, 10)


def a_file(mime_type: str, kind: str = "", name: str = "chá da tarde.bin") -> Media:
    return Media("f", "", name, mime_type, len(BYTES), "k", kind)


async def given(channel: Channel, file: Media, source: Body) -> tuple[str, Uploaded | None]:
    """Sent once with its bytes; the message's id, and what the provider calls the file."""
    to = Outgoing(PEOPLE[channel.name], "", "r")
    if channel.carries_bytes:
        taken = await channel.send_file(to, file, source)
        assert isinstance(taken, Taken)
        return taken, taken.uploaded
    uploaded = await channel.upload(file, source)
    return await channel.send_file(to, file, uploaded), uploaded


def test_every_channel_that_takes_bytes_is_tried() -> None:
    """The table above has all of them; Instagram's API for its own logins takes none."""
    assert set(KINDS) == set(CHANNELS) - {"instagram"}


@pytest.mark.parametrize(("channel", "mime_type", "kind"), CASES)
async def test_the_bytes_arrive_and_are_named_in_the_next_send(world: World, channel: str, mime_type: str, kind: str) -> None:
    """Both people get the very bytes, shown as what they are; nothing is fetched, and no link is in what goes out."""
    opened, file = world.channels[channel], a_file(mime_type)
    assert opened.limits.takes_upload(mime_type, len(BYTES))
    first, uploaded = await given(opened, file, body())
    assert uploaded
    again = await opened.send_file(Outgoing(PEOPLE[channel], "", "r2"), file, uploaded)
    arrived = {each["provider_id"]: each for each in await world.sent(channel=channel)}
    assert set(arrived) == {first, again}
    for each in arrived.values():
        assert (each["media_sha256"], each["kind"]) == (hashlib.sha256(BYTES).hexdigest(), kind)
    assert world.simulator.channels[channel].counts["media_fetched"] == 0


@pytest.mark.parametrize(
    ("meant", "mime_type", "kind"),
    [
        ("voice", "audio/ogg", "voice"), ("voice", "audio/mp4", "voice"), ("animation", "image/gif", "animation"),
        ("animation", "video/mp4", "animation"), ("sticker", "image/webp", "sticker"), ("document", "image/png", "document"),
        ("voice", "audio/wav", "document"), ("sticker", "image/png", "photo"),
    ],
)  # fmt: skip
async def test_telegram_shows_a_file_as_what_it_is_meant(world: World, meant: str, mime_type: str, kind: str) -> None:
    """Voice notes, animations and stickers go by their own method where Telegram takes the type."""
    small = replace(a_file(mime_type, meant), size=9)
    provider_id, _ = await given(world.channels["telegram"], small, body(b"RIFF.WEBP"))
    [arrived] = await world.sent(channel="telegram")
    assert (arrived["provider_id"], arrived["kind"]) == (provider_id, kind)


async def test_whatsapp_shows_stickers_and_voice_notes(world: World) -> None:
    """A small webp that was a sticker is one again."""
    whatsapp = world.channels["whatsapp"]
    sticker = replace(a_file("image/webp", "sticker"), size=9)
    await given(whatsapp, sticker, body(b"RIFF.WEBP"))
    await given(whatsapp, a_file("audio/ogg", "voice"), body(voice_note()))
    assert [each["kind"] for each in await world.sent(channel="whatsapp")] == ["sticker", "audio"]


@pytest.mark.parametrize("content", [BYTES, samples.sound("ogg", "libopus"), samples.sound("mp3", "libmp3lame")])
async def test_whatsapp_makes_no_voice_note_of_other_sounds(world: World, content: bytes) -> None:
    """It takes Opus in Ogg with one channel, whatever it is called; an upload of another type than it says it does not take."""
    whatsapp = world.channels["whatsapp"]
    with pytest.raises(Permanent) as caught:
        await given(whatsapp, a_file("audio/ogg", "voice"), body(content))
    assert caught.value.reason in {"media", "invalid"}
    assert await world.sent(channel="whatsapp") == []


@pytest.mark.parametrize("channel", KINDS)
async def test_an_upload_that_is_gone_is_refused_for_a_reason_that_says_so(world: World, channel: str) -> None:
    """The core then uploads it again; nothing reached anybody."""
    opened = world.channels[channel]
    with pytest.raises(Permanent) as caught:
        await opened.send_file(Outgoing(PEOPLE[channel], "", "r"), a_file("image/png"), Uploaded("404404404", 1, 2))
    assert caught.value.reason in {"invalid", "media"}
    assert await world.sent(channel=channel) == []


@pytest.mark.parametrize(
    ("channel", "file", "content"),
    [
        ("whatsapp", a_file("application/zip"), BYTES), ("whatsapp", a_file("image/png"), b"x" * ((5 << 20) + 1)),
        ("whatsapp", a_file("image/png"), b""), ("messenger", a_file("image/png"), b"x" * ((8 << 20) + 1)),
        ("messenger", a_file("image/png"), b""),
    ],
)  # fmt: skip
async def test_what_a_provider_does_not_take_it_refuses_for_good(
    world: World, channel: str, file: Media, content: bytes
) -> None:
    """Of a type that it does not take, too large, or empty: Permanent, so that it goes in another way."""
    with pytest.raises(Permanent):
        await world.channels[channel].upload(file, body(content))


@pytest.mark.parametrize("channel", ["whatsapp", "messenger"])
async def test_an_upload_wants_the_token_and_a_form(world: World, channel: str) -> None:
    """Without either nothing is kept."""
    path = {"whatsapp": "100000000000001/media", "messenger": "me/message_attachments"}[channel]
    url, token = f"{world.url(channel)}/v23.0/{path}", {"Authorization": f"Bearer {world.secret(f'{channel}_token')}"}
    calls: list[tuple[dict[str, str], Any, int]] = [({}, b"{}", 401), (token, b"{}", 400), (token, b"", 400)]
    async with aiohttp.ClientSession() as session:
        for headers, data, status in calls:
            async with session.post(url, headers=headers, data=data) as answer:
                assert answer.status == status


async def test_a_page_wants_the_file_that_it_was_promised(world: World) -> None:
    """A form with words and no file, an unknown kind, and an attachment that is not to be used again."""
    url = f"{world.url('messenger')}/v23.0/me/message_attachments"
    headers = {"Authorization": f"Bearer {world.secret('messenger_token')}"}
    forms = ['{"attachment":{"type":"image"}}', '{"attachment":{"type":"house"}}']
    async with aiohttp.ClientSession(headers=headers) as session:
        for message in forms:
            async with session.post(url, data={"message": message}) as answer:
                assert answer.status == 400
        form = aiohttp.FormData({"message": forms[0]})
        form.add_field("filedata", b"PNG", filename="a.png", content_type="image/png")
        async with session.post(url, data=form) as answer:
            attachment_id = (await answer.json())["attachment_id"]
    with pytest.raises(Permanent):
        to = Outgoing(PEOPLE["messenger"], "", "r")
        await world.channels["messenger"].send_file(to, a_file("image/png"), Uploaded(attachment_id, 1, 2))


@pytest.mark.parametrize("channel", ["whatsapp", "telegram", "messenger"])
async def test_a_picture_with_words_needs_no_address_of_ours(world: World, channel: str, tmp_path: Path) -> None:
    """From acceptance to the phone: two people get the picture and its words, uploaded once, and nothing fetches from us."""
    opened, first = world.channels[channel], int(PEOPLE[channel].lstrip("+"))
    plus = "+" if channel == "whatsapp" else ""
    to = [Recipient(f"c{n}", channel, opened.address(f"{plus}{first + n}")) for n in (1, 2)]
    payload = replace(a_file("image/png"), text="our garden", object_key=new_id("key"))
    numbered, renditions = rendered(payload, "", to, world.channels)
    with road(tmp_path / "road") as made:
        async with threads() as executor:
            made.parts.objects.put(payload.object_key, [BYTES])
            made.know(*to)
            said = message(new_id("talk"), 1, to=numbered, renditions=renditions)
            made.say(replace(said, payload=payload))
            made.run()
            writer = Writer(made.parts, executor)
            writing, sender = asyncio.create_task(writer.run()), Sender(made.parts, opened, writer, executor)
            for row in made.rows(channel):
                assert isinstance(await sender.attempt(row, 0, granted(row.key.lane)), Done)
            await sender.calls.uploads.close()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
    arrived = await world.sent(channel=channel)
    for person in to:
        mine = [each for each in arrived if each["to"] == person.address]
        assert [each["media_sha256"] for each in mine if each.get("media")] == [hashlib.sha256(BYTES).hexdigest()]
        assert "".join(each["text"] for each in mine) == "our garden"
    assert len({each["media"] for each in arrived if each.get("media")}) == 1
    assert world.simulator.channels[channel].counts["media_fetched"] == 0


@pytest.mark.parametrize("channel", CHANNELS)
def test_an_operator_may_want_links_only(channel: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is uploaded, and the limits of links hold."""
    monkeypatch.setenv(f"{channel.upper()}_UPLOADS", "false")
    limits = open_channel(channel, world.settings).limits
    assert (limits.upload_bytes, limits.file_bytes) == ({}, world.channels[channel].limits.file_bytes)
