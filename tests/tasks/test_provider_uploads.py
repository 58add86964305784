"""Files on their way to a provider: uploaded once, before the send, beside others, and anew when the provider forgot them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.content import MEDIA_KINDS, Media
from chat4all.model.deliveries import Facts, Pointer, State, state
from chat4all.model.failures import Failure, Permanent, Temporary, Throttled, Unknown
from chat4all.ports import Body, FileLink, Limits, MediaSource, Outgoing, Taken, Uploaded, UploadPlace
from tasks.lanes.attempt import Sender
from tasks.lanes.outcome import Done, Outcome, Wait
from tasks.lanes.provider_uploads import SIDE_BY_SIDE, ProviderUploads, Times
from tasks.lanes.writer import Writer
from tests.tasks.test_attempt import Fake
from tests.tasks.world import World, granted, message, new_id, threads, until, whatsapp, world

TALK = new_id("conversation", 1)
BYTES = b"0123456789" * 90
SIZES = {"image/": 1000}
LIMITS = Limits(4096, 100_000, 1e-6, 100_000, True, frozenset(), file_bytes=SIZES, upload_bytes=SIZES)


class Given(Fake):
    """A provider that is given files. `failing`: what its next uploads come to; `open`: uploads wait for it."""

    limits = LIMITS

    def __init__(self) -> None:
        super().__init__()
        self.uploads: list[bytes] = []
        self.files: list[MediaSource] = []
        self.failing: list[Failure] = []
        self.refusing: list[Failure] = []
        self.open = asyncio.Event()
        self.open.set()
        self.at_once = self.most = 0

    async def upload(self, file: Media, body: Body) -> Uploaded:
        await self.take(body)
        if self.failing:
            raise self.failing.pop(0)
        return Uploaded(f"given-{len(self.uploads)}", now_ms(), now_ms() + DAY_MS)

    async def take(self, body: Body) -> None:
        """Read it all."""
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.open.wait()
            self.uploads.append(b"".join([each async for each in body.chunks()]))
        finally:
            self.at_once -= 1

    async def send_file(self, message: Outgoing, file: Media, source: MediaSource) -> str:
        self.files.append(source)
        if isinstance(source, Body):
            await self.take(source)
        if self.refusing:
            raise self.refusing.pop(0)
        carried = Uploaded(f"carried-{len(self.uploads)}", now_ms(), now_ms() + DAY_MS) if isinstance(source, Body) else None
        return Taken(await self.send_text(message), uploaded=carried)


class Carrying(Given):
    """One whose sends carry the bytes."""

    carries_bytes = True


class Way:
    """A sender of a process, over a store that others share."""

    def __init__(self, road: World, channel: Given, sender: Sender, writer: Writer) -> None:
        self.road, self.channel, self.sender, self.writer = road, channel, sender, writer

    def say(self, payload: Any, number: int = 1) -> None:
        """One more delivery of this, to a person of its own."""
        self.road.know(whatsapp(number))
        self.road.say(replace(message(TALK, f"{time.monotonic()} {number}", to=[whatsapp(number)]), payload=payload))
        self.road.run()

    async def attempt(self, index: int = -1) -> Outcome:
        outcome = await self.sender.attempt(self.road.rows()[index], 0, granted())
        if outcome.write:
            await self.writer.write(outcome.write)
        return outcome

    async def until_done(self, index: int = -1) -> Outcome:
        """Try as the lane would, until it ends."""
        for _ in range(60):
            outcome = await self.attempt(index)
            if isinstance(outcome, Done):
                return outcome
            await asyncio.sleep(0.05)
        raise AssertionError(outcome)


@asynccontextmanager
async def way(road: World, channel: Given) -> AsyncIterator[Way]:
    """A process with this channel."""
    async with threads() as executor:
        writer = Writer(road.parts, executor)
        writing = asyncio.create_task(writer.run())
        sender = Sender(road.parts, channel, writer, executor)
        sender.calls.uploads = ProviderUploads(channel, road.parts, executor, Times(0.1, 10, 20))
        yield Way(road, channel, sender, writer)
        await sender.calls.uploads.close()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


@pytest.fixture
async def road(tmp_path: Path) -> AsyncIterator[World]:
    with world(tmp_path, backoff_first_s=0.05, backoff_most_s=0.1, provider_timeout_s=0.5, unknown_grace_s=0.1) as made:
        yield made


def picture(road: World, name: str = "cat.png", size: int = len(BYTES), mime_type: str = "image/png") -> Media:
    """A file that the object store has."""
    key = new_id("key", name)
    road.parts.objects.put(key, [BYTES])
    return Media(new_id("f", name), "", name, mime_type, size, key)


KINDS = [pytest.param(Given, id="uploaded before"), pytest.param(Carrying, id="carried")]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_is_uploaded_once_for_all_who_get_it(road: World, kind: type[Given]) -> None:
    """Many at the same time, and later ones: the bytes go out once, and no link of ours at all."""
    async with way(road, kind()) as made:
        for number in range(6):
            made.say(picture(road), number)
        await asyncio.gather(*(made.until_done(index) for index in range(6)))
        assert made.channel.uploads == [BYTES]
        assert len(made.channel.arrived) == 6
        named = [each for each in made.channel.files if isinstance(each, Uploaded)]
        assert len(named) == (5 if kind is Carrying else 6)
        assert not [each for each in made.channel.files if isinstance(each, FileLink)]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_next_process_uses_the_upload_of_the_one_before(road: World, kind: type[Given]) -> None:
    """It is in the store: a restart uploads nothing again."""
    async with way(road, kind()) as made:
        made.say(picture(road))
        await made.until_done()
    async with way(road, kind()) as made:
        made.say(picture(road), 2)
        await made.until_done()
        assert made.channel.uploads == []
        [source] = made.channel.files
        assert isinstance(source, Uploaded)


async def test_killed_between_upload_and_send(road: World) -> None:
    """The next process sends once, names the same upload, and counts no second send: nothing was begun before."""
    async with way(road, Given()) as made:
        made.say(picture(road))
        async with made.sender.calls.uploads.source(picture(road), "") as source:
            assert source is not None
        assert made.road.rows()[-1].facts == Facts()
    async with way(road, Given()) as made:
        await made.until_done()
        assert (made.channel.uploads, made.channel.files) == ([], [source])
        assert (len(made.channel.arrived), made.road.rows()[-1].facts.resends) == (1, 0)


async def test_nothing_is_begun_while_a_file_is_uploaded(road: World) -> None:
    """The lane gets its place back, no attempt is counted, and other sends go on meanwhile."""
    async with way(road, Given()) as made:
        made.channel.open.clear()
        made.say(picture(road))
        outcome = await made.attempt()
        assert isinstance(outcome, Wait)
        assert outcome.write is None
        assert made.road.rows()[-1].facts.attempts == 0
        made.say(message(TALK, "words").payload, 2)
        assert isinstance(await made.attempt(), Done)
        made.channel.open.set()
        await made.until_done(0)
        assert made.channel.uploads == [BYTES]


@pytest.mark.parametrize("kind", KINDS)
async def test_few_files_go_up_at_the_same_time(road: World, kind: type[Given]) -> None:
    """However many there are; the rest follow."""
    most, files = SIDE_BY_SIDE, 3 * SIDE_BY_SIDE
    async with way(road, kind()) as made:
        made.channel.open.clear()
        for number in range(files):
            made.say(picture(road, f"{number}.png"), number)
        tries = [asyncio.create_task(made.attempt(index)) for index in range(files)]
        await asyncio.sleep(0.2)
        made.channel.open.set()
        await asyncio.gather(*tries)
        await asyncio.gather(*(made.until_done(index) for index in range(files)))
        assert made.channel.most <= most
        assert len(made.channel.uploads) == len(made.channel.arrived) == files


@pytest.mark.parametrize("failure", [Temporary("provider_error"), Throttled("rate_limit", 0.05), Unknown("no_answer")])
async def test_an_upload_that_fails_is_done_again(road: World, failure: Failure) -> None:
    """An unknown one too, for it reached nobody. The delivery waits for it; it is not an attempt, and opens no breaker."""
    async with way(road, Given()) as made:
        made.channel.failing = [failure] * 3
        made.say(picture(road))
        await made.until_done()
        assert len(made.channel.uploads) == 4
        facts = made.road.rows()[-1].facts
        assert (facts.attempts, facts.resends, state(facts)) == (1, 0, State.SENT)
        assert made.sender.throttle.breaker.in_a_row == 0


@pytest.mark.parametrize("has_link", [True, False])
async def test_a_file_that_is_refused_goes_in_another_way(road: World, has_link: bool) -> None:
    """By a link where the provider fetches such files, else as words with one; it is not uploaded again and again."""
    async with way(road, Given()) as made:
        made.channel.limits = replace(LIMITS, file_bytes=SIZES if has_link else {})
        made.channel.failing = [Permanent("invalid")]
        for number in (1, 2):
            made.say(picture(road), number)
            await made.until_done()
        assert len(made.channel.uploads) == 1
        assert [type(each) for each in made.channel.files] == ([FileLink, FileLink] if has_link else [])
        assert len(made.channel.arrived) == 2
        assert ("/objects/" in made.channel.arrived[0].text) is not has_link


@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_provider_forgot_is_uploaded_anew_once(road: World, kind: type[Given]) -> None:
    """A refusal of an old upload sends nothing; the next attempt has a new one, whose refusal is final."""
    async with way(road, kind()) as made:
        made.say(picture(road))
        key = made.sender.calls.uploads.place(picture(road), "")
        old = Uploaded("old", now_ms() - DAY_MS, now_ms() + DAY_MS)
        road.store.note_uploads({key: old})
        made.channel.refusing = [Permanent("invalid")]
        await made.until_done()
        assert made.channel.files[0] == old
        assert made.channel.uploads == [BYTES]
        assert state(made.road.rows()[-1].facts) is State.SENT
        await asyncio.sleep(0.05)
        assert road.store.uploads([key])[key].handle != "old"
        made.channel.refusing = [Permanent("invalid")]
        made.say(picture(road), 2)
        await made.until_done()
        assert state(made.road.rows()[-1].facts) is State.FAILED
        assert made.channel.uploads == [BYTES]


async def test_another_refusal_is_not_the_uploads_fault(road: World) -> None:
    """A person who cannot be written to costs no upload."""
    async with way(road, Given()) as made:
        made.say(picture(road))
        key = made.sender.calls.uploads.place(picture(road), "")
        road.store.note_uploads({key: Uploaded("old", now_ms() - DAY_MS, now_ms() + DAY_MS)})
        made.channel.refusing = [Permanent("outside_window")]
        await made.until_done()
        assert (made.channel.uploads, state(made.road.rows()[-1].facts)) == ([], State.FAILED)


async def test_equal_bytes_under_another_name_are_another_upload(road: World) -> None:
    """People would see the name of somebody else's file."""
    async with way(road, Given()) as made:
        first = picture(road)
        for number, each in enumerate((first, replace(first, filename="secret.png"))):
            made.say(each, number)
            await made.until_done()
        assert len(made.channel.uploads) == 2


class Telling(Carrying):
    """What a file goes as depends on whether there are words beside it. `went`: as what each did."""

    def __init__(self) -> None:
        super().__init__()
        self.went: list[str] = []

    def shown_as(self, file: Media) -> str:
        return f"{file.shown_as} with words" if file.text else file.shown_as

    async def send_file(self, message: Outgoing, file: Media, source: MediaSource) -> str:
        self.went.append(self.shown_as(replace(file, text=message.text)))
        return await super().send_file(message, file, source)


class Learning(Carrying):
    """Knows what a file goes as when it was sent once."""

    learnt = False

    def shown_as(self, file: Media) -> str:
        return "document" if self.learnt else file.shown_as

    async def send_file(self, message: Outgoing, file: Media, source: MediaSource) -> str:
        self.learnt = True
        return await super().send_file(message, file, source)


@pytest.mark.parametrize("kind", MEDIA_KINDS)
@pytest.mark.parametrize("words", ["", "look"])
async def test_an_upload_is_kept_as_what_it_went_as_also_behind_a_quote(road: World, kind: str, words: str) -> None:
    """A quote in words makes no picture of a sticker, and no document of a voice note; where it stands, it counts."""
    async with way(road, Telling()) as made:
        file = replace(picture(road), text=words, kind=kind)
        made.say(file)
        row = replace(made.road.rows()[-1], about=Pointer("m", "meet me there"))
        assert isinstance(await made.sender.attempt(row, 0, granted()), Done)
        [went], [sent] = made.channel.went, made.channel.arrived  # type: ignore[attr-defined]
        assert sent.text == (f"> meet me there\n{words}" if words or kind not in {"sticker", "voice", "audio"} else "")
        place = UploadPlace("whatsapp", "1", file.object_key, went)
        await until(lambda: len(road.store.uploads([place])) == 1)


async def test_what_went_as_something_else_is_named_as_that_next_time(road: World) -> None:
    """The channel learns by sending it that a file goes as a document: the upload is kept as one."""
    async with way(road, Learning()) as made:
        for number in (1, 2):
            made.say(picture(road), number)
            await made.until_done()
        assert made.channel.uploads == [BYTES]
        first, second = made.channel.files
        assert isinstance(first, Body)
        assert isinstance(second, Uploaded)
        await until(lambda: len(road.store.uploads([UploadPlace("whatsapp", "1", picture(road).object_key, "document")])) == 1)


async def test_a_file_whose_bytes_are_gone(road: World) -> None:
    """It is refused where sends carry it, and goes by its link elsewhere; it is not tried for ever."""
    gone = replace(picture(road), object_key=new_id("nothing"))
    async with way(road, Carrying()) as made:
        made.say(gone)
        await made.until_done()
        assert made.road.rows()[-1].facts.refused_reason == "no_object"


async def test_who_stops_gives_a_call_that_carries_a_file_its_time(road: World) -> None:
    """It would be cut off otherwise, and sent a second time."""
    async with way(road, Carrying()) as made:
        assert made.sender.calls.left_s() == 0
        made.channel.open.clear()
        made.say(picture(road))
        trying = asyncio.create_task(made.attempt())
        await until(lambda: made.channel.at_once == 1)
        assert 0 < made.sender.calls.left_s() <= made.sender.calls.most_s(made.road.rows()[-1])
        made.channel.open.set()
        await trying
        assert made.sender.calls.left_s() == 0


async def test_a_call_that_carries_a_file_has_time_by_its_size(road: World) -> None:
    """And whoever takes the lane over waits for longer than that call may take; a call with words is as short as ever."""
    async with way(road, Carrying()) as made:
        made.say(picture(road, size=900))
        row = made.road.rows()[-1]
        large = replace(row, payload=replace(row.payload, size=50 << 20))
        rate = road.parts.settings.provider_upload_rate
        assert made.sender.calls.most_s(large) > (50 << 20) / rate
        assert made.sender.calls.most_s(replace(row, payload=message(TALK, 1).payload)) == made.sender.calls.limit_s
    async with way(road, Given()) as made:
        assert made.sender.calls.most_s(large) == made.sender.calls.limit_s
