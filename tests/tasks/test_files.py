"""Work on files: verifying, fetching what providers bring, the sweep, and how a file leaves."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.content import Media
from chat4all.model.deferred_records import CANCELLED, DeferredRecord
from chat4all.model.deliveries import State, state
from chat4all.model.failures import Temporary
from chat4all.model.files import FileStatus, StoredFile, message_holder, part_sizes
from chat4all.model.scheduled_messages import SCHEDULED, record_id_of
from chat4all.ports import FileLink, Inbound, Limits, MediaSource, Registration
from chat4all.services.acceptance.attachments import fetched_file
from chat4all.services.files.file_events import file_event
from chat4all.services.files.file_lifecycle import HOLDERS_AT_ONCE, FileLifecycle
from chat4all.telemetry.instruments import REGISTRY
from tasks.files import file_tasks, media
from tasks.files.file_news import tell
from tasks.files.media import Fetcher
from tasks.lanes.attempt import Sender
from tasks.lanes.outcome import Done, Wait
from tasks.lanes.writer import Writer
from tests.between import Between
from tests.channels.conftest import serving
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World, granted, message, new_id, threads, whatsapp, world

CONVERSATION = new_id("conversation", "files")
DATA = os.urandom(3000)
SUM = hashlib.sha256(DATA).hexdigest()
LIMITS = Limits(4096, 1000, 0, 1, True, frozenset(), file_bytes={"image/": 1000, "": 5000}, caption_length=10)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, unknown_grace_s=0.5, inbound_file_limit=3000) as made:
        yield made


def filing(road: World, at: int = 0) -> FileLifecycle:
    """The hand of a process whose clock says this (ms UTC)."""
    return FileLifecycle(road.store, road.parts.objects, road.parts.settings, lambda: at or now_ms())


def verifying(road: World, size: int = len(DATA), checksum: str = SUM) -> StoredFile:
    """An upload of three parts that its owner called complete."""
    objects, hand = road.parts.objects, filing(road)
    file = hand.changed(hand.begin(CONVERSATION, "ana", "a.bin", "image/png", size, in_parts=True), part_size=1000)
    assert file
    for number, length in enumerate(part_sizes(len(DATA), 1000), 1):
        _bring(road, file, number, DATA[(number - 1) * 1000 :][:length])
    begun = hand.verify(replace(file, checksum=checksum))
    assert begun
    assert objects.size(file.own_key) is None
    return begun


def _bring(road: World, file: StoredFile, number: int, data: bytes) -> None:
    import io

    fields = {"upload": file.upload, "part": str(number), "size": str(len(data))}
    road.parts.objects.write_part(file.own_key, fields, io.BytesIO(data))  # type: ignore[attr-defined]


def now(road: World, file: StoredFile) -> StoredFile:
    return road.store.files([file.file_id])[file.file_id]


def test_what_arrived_as_promised_is_ready(road: World) -> None:
    """Size and checksum are of what the store holds; verifying again changes nothing."""
    file = verifying(road)
    for _ in range(2):
        file_tasks.verify(road.parts, file.file_id)
        assert (now(road, file).status, now(road, file).checksum, now(road, file).size) == (FileStatus.READY, SUM, len(DATA))
    assert b"".join(road.parts.objects.read(now(road, file).object_key)) == DATA


def test_what_arrived_otherwise_fails_and_may_be_mended(road: World) -> None:
    """The reason is kept, and the parts are an upload again."""
    file = verifying(road, checksum=hashlib.sha256(b"").hexdigest())
    file_tasks.verify(road.parts, file.file_id)
    failed = now(road, file)
    assert (failed.status, failed.reason) == (FileStatus.FAILED, "checksum_mismatch")
    assert len(road.parts.objects.parts(file.own_key, failed.upload)) == 3


def test_a_worker_that_died_between_any_two_steps_is_followed_by_one_that_finishes(road: World) -> None:
    """Joined but not hashed, registered but not said: the next run comes to the same end."""
    first, second = verifying(road), verifying(road)
    filing(road).joined(first)
    file_tasks.verify(road.parts, first.file_id)
    filing(road).joined(second)
    road.store.keep_object(SUM, second.own_key, second.holder, now_ms())
    file_tasks.verify(road.parts, second.file_id)
    assert now(road, first).object_key == now(road, second).object_key == first.own_key
    assert road.parts.objects.size(second.own_key) is None


def test_an_outage_of_the_store_fails_nothing(road: World) -> None:
    """The file stays verifying; the worker tries again by itself."""
    file = verifying(road)
    objects = Between(road.parts.objects)

    def read(*_: Any) -> Iterator[bytes]:
        objects.mend()
        raise Temporary("objects")

    objects.answer("read", read)
    worker = file_tasks.FileWorker(replace(road.parts, objects=objects), pause_s=0.01)
    worker.wake("verify_file", file.file_id)
    worker.close()
    assert now(road, file).status is FileStatus.READY


def test_the_sweep_pokes_what_is_forgotten_and_ends_what_is_over(road: World) -> None:
    """A verification nobody works on is woken again; an abandoned upload goes; others are left alone."""
    hand = filing(road)
    forgotten, over, young = verifying(road), hand.begin(CONVERSATION, "ana", "b", "a/b", 9, True), verifying(road)
    past = now_ms() - 10_000
    assert hand.changed(forgotten, due_at=past)
    assert hand.changed(over, due_at=past, expires_at=past)
    sweeper = file_tasks.FileSweeper()
    sweeper.sweep(road.parts)
    sweeper.sweep(road.parts)
    assert road.wakes.files == [("verify_file", forgotten.file_id)]
    assert now(road, over).status is FileStatus.EXPIRED
    assert now(road, young).status is FileStatus.VERIFYING


def test_readers_are_told_once_what_became_of_a_file(road: World) -> None:
    """That it is ready, why it failed, that it is gone; what is told is due as it was before, and expires as it did."""
    hand = filing(road)
    good, bad = verifying(road), verifying(road, checksum=hashlib.sha256(b"").hexdigest())
    over = hand.changed(hand.begin(CONVERSATION, "ana", "b", "a/b", 9, True), expires_at=1, due_at=1)
    assert over
    for each in (good, bad):
        file_tasks.verify(road.parts, each.file_id)
        file_tasks.verify(road.parts, each.file_id)
    hand.look(over)
    tell(road.parts, now(road, over))
    said = {each.file_id: (each.status, each.reason, each.checksum, each.owner) for each in road.events("file")}
    assert said == {
        good.file_id: ("ready", "", SUM, "ana"),
        bad.file_id: ("failed", "checksum_mismatch", "", "ana"),
        over.file_id: ("expired", "", "", "ana"),
    }
    assert len(road.events("file")) == 3
    assert [now(road, each).untold for each in (good, bad, over)] == [False] * 3
    assert (now(road, good).expires_at, now(road, bad).expires_at) == (0, bad.expires_at)
    assert now(road, good).due_at >= good.created_at + hand.expire_ms
    assert now(road, bad).due_at == bad.expires_at


def test_a_process_that_died_before_it_told_is_followed_by_the_sweep(road: World) -> None:
    """Also where the log took the event before: the same event under the same id. Nothing else is done to it meanwhile."""
    file = verifying(road)
    ready = filing(road, now_ms() - 60_000).finished(file, SUM, len(DATA))
    assert ready
    assert ready.untold
    filing(road, now_ms() + 30 * DAY_MS).look(ready)
    assert now(road, file) == ready
    sweeper = file_tasks.FileSweeper()
    road.faults.fail("swap_file", Temporary("store"))
    with pytest.raises(Temporary):
        sweeper.sweep(road.parts)
    road.faults.mend()
    file_tasks.FileSweeper().sweep(road.parts)
    first, second = road.events("file")
    assert first == second
    assert not now(road, file).untold


def test_who_is_told_of_a_file_is_who_may_read_it(road: World) -> None:
    """An upload its owner alone, until a message carries it; what a provider brought the members of its message."""
    ready = filing(road).finished(verifying(road), SUM, len(DATA))
    brought = replace(incoming(road), status=FileStatus.FAILED, untold=True)
    assert ready
    assert (file_event(ready, 2).user, file_event(ready, 2).version) == ("ana", 1)
    assert (file_event(brought, 2).user, file_event(brought, 2).version) == ("", 1)
    assert file_event(replace(brought, members_version=4), 2).version == 4


def test_a_message_that_is_to_be_sent_later_keeps_its_file_until_then(tmp_path: Path) -> None:
    """For longer than files of others are kept; it is cancelled, and the bytes go."""
    with world(tmp_path, keep_files_days=30) as road:
        file, begun, name = verifying(road), now_ms(), new_id("later")
        file_tasks.verify(road.parts, file.file_id)
        road.store.hold_objects([(SUM, message_holder(file.file_id, CONVERSATION, name))], begun)
        record = DeferredRecord(record_id_of(name), SCHEDULED, begun + 80 * DAY_MS, {}, begun)
        road.store.put_deferred_records([record])
        for days in (2, 40, 70):
            filing(road, begun + days * DAY_MS).look(now(road, file))
            assert now(road, file).status is FileStatus.READY, days
        road.store.put_deferred_records([record.to(CANCELLED, begun)])
        filing(road, begun + 79 * DAY_MS).look(now(road, file))
        assert now(road, file).status is FileStatus.EXPIRED


class Provider:
    """Answers a media lookup and its download, with `status` to the first so many calls."""

    def __init__(self, data: bytes = DATA) -> None:
        self.data, self.url, self.failures, self.tokens = data, "", 0, set[str]()
        self.kind, self.headers, self.name = "image/png", dict[str, str](), "bytes"
        self.release: asyncio.Event | None = None

    async def handle(self, request: Any) -> Any:
        from aiohttp import web

        self.tokens.add(request.headers.get("Authorization", ""))
        if self.release:
            await self.release.wait()
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        if request.path.endswith(f"/{self.name}"):
            return web.Response(body=self.data, content_type=self.kind, headers=self.headers)
        return web.Response(body=json.dumps({"url": f"{self.url}/{self.name}"}))


def sent_in(road: World, file: StoredFile, count: int, at: int) -> None:
    """So many messages with this file, stored."""
    ids = [new_id("with file", number) for number in range(count)]
    road.store.hold_objects([(SUM, message_holder(file.file_id, CONVERSATION, each)) for each in ids], at)
    road.store.register([Registration(CONVERSATION, each, number + 1, "d") for number, each in enumerate(ids)])


def test_a_file_that_was_sent_often_is_looked_at_without_reading_who_has_it(road: World) -> None:
    """One page of its references, however many there are; those of other files with the same bytes are not among them."""
    file = verifying(road)
    file_tasks.verify(road.parts, file.file_id)
    sent_in(road, file, 3 * HOLDERS_AT_ONCE, now_ms())
    asked = []

    def counted(checksum: str, prefix: str, limit: int, after: str = "") -> Any:
        asked.append((prefix, limit))
        return road.faults.real.holders(checksum, prefix, limit, after)

    with road.faults.instead("holders", counted):
        filing(road, now_ms() + 2 * DAY_MS).look(now(road, file))
    assert asked == [(f"message:{file.file_id}:", HOLDERS_AT_ONCE)]
    assert now(road, file).status is FileStatus.READY


def test_a_message_keeps_its_file_for_as_long_as_the_setting_says(tmp_path: Path) -> None:
    """Then the bytes go; that it has expired is known for a while, and after that nothing is left of it."""
    with world(tmp_path, keep_files_days=30) as road:
        file, begun = verifying(road), now_ms()
        file_tasks.verify(road.parts, file.file_id)
        sent_in(road, file, HOLDERS_AT_ONCE + 5, begun)
        for days, status in (
            (2, FileStatus.READY),
            (29, FileStatus.READY),
            (37, FileStatus.EXPIRED),
            (100, FileStatus.EXPIRED),
        ):
            filing(road, begun + days * DAY_MS).look(now(road, file))
            tell(road.parts, now(road, file))
            assert now(road, file).status is status, days
            assert (road.parts.objects.size(file.own_key) is None) == (status is FileStatus.EXPIRED)
        assert road.store.holders(SUM, "", 10) == {}
        filing(road, begun + 130 * DAY_MS).look(now(road, file))
        assert road.store.files([file.file_id]) == {}


def incoming(road: World) -> StoredFile:
    """A file that a WhatsApp message brings."""
    at = now_ms()
    file = StoredFile(
        new_id("file", at), CONVERSATION, "eve", "photo.png", "image/png", 0, 0, at,
        channel="whatsapp", media="media-1", message_id=new_id("m"), due_at=at, expires_at=at + 60_000,
    )  # fmt: skip
    return road.store.add_files([file])[0]


def refused(why: str) -> float:
    """How many fetches from Messenger have been refused for this."""
    labels = {"channel": "messenger", "why": why}
    return REGISTRY.get_sample_value("chat4all_fetches_refused_total", labels) or 0.0


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Provider]:
    made = Provider()
    async with serving(made.handle) as url:
        made.url = url
        monkeypatch.setenv("WHATSAPP_API_URL", url)
        yield made


async def test_what_a_provider_brings_is_fetched_into_the_store(road: World, provider: Provider) -> None:
    """Looked up, streamed, hashed; the message that brought it refers to it; the provider's token went along."""
    file = incoming(road)
    await asyncio.to_thread(Fetcher(road.parts).fetch, file.file_id)
    ready = now(road, file)
    assert (ready.status, ready.size, ready.checksum) == (FileStatus.READY, len(DATA), SUM)
    assert len(road.store.holders(SUM, "", 10)) == 2
    assert all(each.startswith("Bearer ") for each in provider.tokens)


JPEG, PDF = b"\xff\xd8\xff\xe0 cat", b"%PDF-1.7 bill"


@pytest.mark.parametrize(
    ("said", "filename", "came", "address", "data", "is_type", "is_name"),
    [
        ("", "", "application/octet-stream", "bytes", JPEG, "image/jpeg", "file.jpg"),
        ("", "", "application/pdf", "bill.pdf", PDF, "application/pdf", "bill.pdf"),
        ("", "", "", "bytes", b"words", "application/octet-stream", "file.bin"),
        ("image/png", "cat.png", "image/png", "bytes", JPEG, "image/jpeg", "cat.png"),
        ("image/png", "", "image/png", "bytes", JPEG, "image/jpeg", "file.jpg"),
        ("audio/ogg; codecs=opus", "", "audio/ogg", "bytes", b"OggS", "audio/ogg", "file.oga"),
    ],
)
async def test_a_file_has_its_true_type_and_name(
    road: World, provider: Provider, said: str, filename: str, came: str, address: str, data: bytes, is_type: str, is_name: str
) -> None:
    """By its bytes where nobody says what it is, or wrongly; its name is what the sender gave, else its address, else made."""
    provider.kind, provider.name, provider.data = came or "application/octet-stream", address, data
    inbound = Inbound("whatsapp", "1", "p", "+1", "", 1, media="media-1", mime_type=said, filename=filename)
    file = road.store.add_files([fetched_file(inbound, new_id("m", said, data), CONVERSATION, "eve")])[0]
    await asyncio.to_thread(Fetcher(road.parts).fetch, file.file_id)
    ready = now(road, file)
    assert (ready.status, ready.mime_type, ready.filename) == (FileStatus.READY, is_type, is_name)


@pytest.mark.parametrize(
    ("header", "name"),
    [('attachment; filename="my bill.pdf"', "my bill.pdf"), ("attachment; filename*=UTF-8''ch%C3%A1.pdf", "chá.pdf"),
     ('attachment; filename="../../etc/passwd"', "passwd"), ("attachment", "file.pdf")],
)  # fmt: skip
async def test_the_answer_may_say_what_the_file_is_called(road: World, provider: Provider, header: str, name: str) -> None:
    """It is as little trusted as any name."""
    provider.kind, provider.data, provider.headers = "application/pdf", PDF, {"Content-Disposition": header}
    inbound = Inbound("whatsapp", "1", "p", "+1", "", 1, media="media-1")
    file = road.store.add_files([fetched_file(inbound, new_id("m", header), CONVERSATION, "eve")])[0]
    await asyncio.to_thread(Fetcher(road.parts).fetch, file.file_id)
    assert now(road, file).filename == name


async def test_what_is_too_large_is_not_fetched(road: World, provider: Provider) -> None:
    """It fails for good, and nothing of it stays in the store."""
    provider.data = bytes(3001)
    file = incoming(road)
    await asyncio.to_thread(Fetcher(road.parts).fetch, file.file_id)
    assert (now(road, file).status, now(road, file).reason) == (FileStatus.FAILED, "media_too_large")
    assert road.parts.objects.size(file.own_key) is None


@pytest.mark.parametrize(
    ("real", "place", "why"),
    [
        (False, "http://127.0.0.1:8000/metrics", "not_https"),
        (False, "https://lookaside.fbsbx.com/a", "other_host"),
        (True, "https://127.0.0.1/metrics", "not_public"),
        (True, "https://evil.example/a", "other_host"),
        (True, "http://lookaside.fbsbx.com/a", "not_https"),
    ],
)
def test_what_a_webhook_names_is_fetched_at_the_providers_only(
    road: World, monkeypatch: pytest.MonkeyPatch, real: bool, place: str, why: str
) -> None:
    """Without credentials at the simulator alone, with them at the provider's hosts; refused for good, and counted."""
    if real:
        for name in ("TOKEN", "ACCOUNT_ID", "APP_SECRET", "VERIFY_TOKEN"):
            monkeypatch.setenv(f"MESSENGER_{name}", "100000000000002")
    before = refused(why)
    file = road.store.add_files([replace(incoming(road), file_id=new_id("f", place), channel="messenger", media=place)])[0]
    Fetcher(road.parts).fetch(file.file_id)
    assert (now(road, file).status, now(road, file).reason) == (FileStatus.FAILED, "fetch_refused")
    assert refused(why) == before + 1


async def test_a_page_in_place_of_a_file_is_not_kept(road: World, provider: Provider) -> None:
    """Where the message named no type, an error page or a login is no file."""
    provider.kind = "text/html"
    file = road.store.add_files([replace(incoming(road), file_id=new_id("f", "page"), mime_type="application/octet-stream")])[0]
    await asyncio.to_thread(Fetcher(road.parts).fetch, file.file_id)
    assert (now(road, file).status, now(road, file).reason) == (FileStatus.FAILED, "media_is_a_page")


async def test_media_servers_that_drip_do_not_stop_verification(road: World, provider: Provider) -> None:
    """More fetches wait than there are threads for them; an upload is verified meanwhile."""
    provider.release = asyncio.Event()
    worker = file_tasks.FileWorker(road.parts)
    for number in range(2 * file_tasks.THREADS["fetch_media"]):
        waiting = road.store.add_files([replace(incoming(road), file_id=new_id("drip", number))])[0]
        worker.wake("fetch_media", waiting.file_id)
    file = verifying(road)
    worker.wake("verify_file", file.file_id)
    try:
        async with asyncio.timeout(4):
            while now(road, file).status is FileStatus.VERIFYING:
                await asyncio.sleep(0.02)
    finally:
        provider.release.set()
        await asyncio.to_thread(worker.close)
    assert now(road, file).status is FileStatus.READY


async def test_a_provider_that_fails_for_a_while_is_asked_again(road: World, provider: Provider) -> None:
    """Each failure is counted; after too many the file fails."""
    file = incoming(road)
    provider.failures = 3
    worker = file_tasks.FileWorker(road.parts, pause_s=0.01)
    worker.wake("fetch_media", file.file_id)
    await asyncio.to_thread(worker.close)
    assert (now(road, file).status, now(road, file).tries) == (FileStatus.READY, 3)


class Out:
    """A delivery of a file, and a sender for it."""

    def __init__(self, road: World, channel: Fake, sender: Sender, writer: Writer) -> None:
        self.road, self.channel, self.sender, self.writer = road, channel, sender, writer
        self.files: list[tuple[str, Media, MediaSource]] = []

    async def attempt(self, payload: Media, **more: Any) -> Any:
        self.road.know(whatsapp(1))
        self.road.say(replace(message(CONVERSATION, payload.file_id, to=[whatsapp(1)], **more), payload=payload))
        self.road.run()
        row = self.road.rows()[-1]
        outcome = await self.sender.attempt(row, 0, granted())
        if outcome.write:
            await self.writer.write(outcome.write)
        return outcome


@pytest.fixture
async def out(road: World) -> AsyncIterator[Out]:
    async with threads() as executor:
        writer, channel = Writer(road.parts, executor), Fake()
        channel.limits = LIMITS
        made = Out(road, channel, Sender(road.parts, channel, writer, executor), writer)

        async def send_file(outgoing: Any, file: Media, source: MediaSource) -> str:
            made.files.append((outgoing.text, file, source))
            return "id-file"

        channel.send_file = send_file  # type: ignore[method-assign, assignment]
        writing = asyncio.create_task(writer.run())
        yield made
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


def payload(size: int = 900, text: str = "look", name: str = "chá.png") -> Media:
    return Media(new_id("f", size, text), text, name, "image/png", size, new_id("key"))


async def test_a_file_within_the_limits_goes_by_its_link(out: Out) -> None:
    """With its caption, and a URL that is signed for this attempt."""
    assert isinstance(await out.attempt(payload()), Done)
    [(text, file, source)] = out.files
    assert isinstance(source, FileLink)
    assert (text, file.filename) == ("look", "chá.png")
    assert f"/objects/{file.object_key}?" in source.url


@pytest.mark.parametrize("wanted", [payload(size=1001), payload(text="a caption beyond it")])
async def test_beyond_the_limits_a_text_with_a_link_goes(out: Out, wanted: Media) -> None:
    """The words, the name, the size, and a link with a short plain name that lives longer."""
    assert isinstance(await out.attempt(wanted), Done)
    assert out.files == []
    words, line = out.channel.arrived[0].text.split("\n")
    assert words == wanted.text
    assert line.startswith("chá.png (")
    assert "name=ch_.png" in line


async def test_in_a_group_the_speaker_stands_before_a_file(out: Out) -> None:
    """Also where there are no words beside it."""
    await out.attempt(payload(text=""), sender_name="Ana")
    assert [text for text, _, _ in out.files] == ["Ana:"]


async def test_a_file_that_is_still_being_fetched_is_waited_for(out: Out) -> None:
    """No attempt is made before; then the file goes, with what its row says."""
    file = incoming(out.road)
    announced = Media(file.file_id, "[picture]", file.filename, file.mime_type)
    outcome = await out.attempt(announced)
    assert isinstance(outcome, Wait)
    assert out.road.rows()[-1].facts.attempts == 0
    ready = filing(out.road).finished(file, SUM, 900)
    assert ready
    await out.sender.attempt(out.road.rows()[-1], 0, granted())
    assert [(text, sent.size, sent.object_key) for text, sent, _ in out.files] == [("[picture]", 900, file.file_id)]


async def test_a_file_that_never_came_is_told_by_its_words(out: Out) -> None:
    """The delivery does not end for it: the text goes."""
    file = incoming(out.road)
    filing(out.road).refused(file, "media_gone")
    await out.attempt(Media(file.file_id, "[picture]", file.filename, file.mime_type))
    assert [each.text for each in out.channel.arrived] == ["[picture]"]
    assert state(out.road.rows()[-1].facts) is State.SENT


def test_signed_links_of_a_delivery_open(road: World) -> None:
    """The link is one that the folder store takes."""
    from urllib.parse import parse_qsl, urlsplit

    url = road.parts.objects.sign_get(new_id("key"), "a.png", "image/png", 60)
    fields = road.parts.objects.signer.check("GET", new_id("key"), dict(parse_qsl(urlsplit(url).query)))  # type: ignore[attr-defined]
    assert (fields["name"], fields["type"]) == ("a.png", "image/png")


def test_a_file_that_does_not_come_is_asked_for_less_and_less_often(road: World) -> None:
    """A provider's trouble of some minutes loses no file, and nobody is asked without end."""
    waits = []
    for tries in range(0, media.TRIES, file_tasks.TRIES):
        file = road.store.add_files([replace(incoming(road), file_id=new_id("late", tries), tries=tries, due_at=1)])[0]
        file_tasks.look(road.parts, file, 1_000)
        waits.append(now(road, file).due_at - 1_000)
    assert waits == [60_000, 120_000, 240_000, 480_000, 960_000]
