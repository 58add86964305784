"""Files that a channel does not show as they are reach people converted; where that cannot be, as they are."""

import hashlib
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import gettempdir
from typing import Any, cast

import av
import pytest
from msgspec.structs import replace
from PIL import Image

from chat4all.channels import open_channel
from chat4all.cli.parts import PARTS
from chat4all.model.clock import DAY_MS, now_ms
from chat4all.model.content import Album, Media
from chat4all.model.failures import Temporary
from chat4all.model.file_signatures import true_type
from chat4all.model.files import ANY_TYPE, FileStatus, StoredFile
from chat4all.model.media_forms import FORMS
from chat4all.ports import MediaSource, ObjectStore, Outgoing
from chat4all.ports.waker import CONVERT
from chat4all.services.acceptance.renditions import rendered
from chat4all.services.files.file_lifecycle import FileLifecycle
from chat4all.services.wake import CeleryWaker
from chat4all.settings import Settings
from chat4all.telemetry.instruments import REGISTRY, Histogram
from tasks.conversion import job, sandbox
from tasks.conversion.orders import KILLED, MEMORY, TIMEOUT, Result
from tasks.files.file_tasks import look
from tasks.lanes.conversions import in_its_form
from tasks.lanes.outcome import Done
from tests.between import Between
from tests.tasks import media_samples as samples
from tests.tasks.declared import declared
from tests.tasks.test_provider_uploads import Given, Way, way
from tests.tasks.world import World, message, new_id, whatsapp, world

TALK = new_id("conversation", "converted")
BYTES_MOST = 64 << 20


@pytest.fixture
def road(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


class Keeping(Given):
    """Keeps what it is given, with what is said of it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[Media, str]] = []

    async def send_file(self, message: Outgoing, file: Media, source: MediaSource) -> str:
        self.sent.append((file, message.text))
        return await super().send_file(message, file, source)


def provider(road: World, name: str) -> Keeping:
    """A provider that keeps files, with the limits of this channel."""
    made = Keeping()
    made.limits = open_channel(name, road.parts.settings).limits
    return made


def converting(road: World) -> None:
    """A worker that does what it is asked for."""

    def work(task: str, file_id: str) -> None:
        if task == CONVERT:
            job.convert(road.parts, file_id)

    road.wakes.work = work


def stored(road: World, name: str, mime_type: str, content: bytes, kind: str = "", text: str = "") -> Media:
    """A file that the object store has."""
    key = new_id("key", hashlib.sha256(content).hexdigest())
    road.parts.objects.put(key, [content])
    return Media(new_id("f", name), text, name, mime_type, len(content), key, kind)


async def sent(road: World, made: Way, file: Media | Album, people: int = 1) -> None:
    """Accepted, and sent to so many people."""
    to = [whatsapp(number) for number in range(people)]
    road.know(*to)
    numbered, renditions = rendered(file, "", to, {"whatsapp": made.channel})
    said = message(TALK, str(road.log.ends("chat-incoming")), to=numbered, renditions=renditions)
    road.say(replace(said, payload=file))
    road.run()
    for index in range(len(road.rows())):
        await made.until_done(index)


def conversions(road: World) -> list[StoredFile]:
    """The rows of all conversions that were asked for."""
    ids = [file_id for task, file_id in road.wakes.files if task == CONVERT]
    return list(road.store.files(ids).values())


def looked_at(content: bytes) -> tuple[str, ...]:
    """What libraries of others say that it is: its container, and what is in it."""
    if true_type(ANY_TYPE, content[:4096]).startswith("image/"):
        with Image.open(BytesIO(content)) as image:
            return (str(image.format),)
    with av.open(BytesIO(content)) as opened:
        shapes = [getattr(each, "layout", None) for each in opened.streams]
        names = [each.codec_context.name for each in opened.streams]
        layouts = [f" {shape.name}" if shape else "" for shape in shapes]
        return (opened.format.name.partition(",")[0], *(f"{name}{layout}" for name, layout in zip(names, layouts, strict=True)))


# A name, the media type that is said, the bytes, and how it is meant.
Sample = tuple[str, str, Callable[[], bytes], str]

WEBM = ("voice.webm", "audio/webm", lambda: samples.sound("webm", "libopus"), "voice")
CALLED_FILM = ("voice.webm", "video/webm", lambda: samples.sound("webm", "libopus"), "voice")
M4A = ("voice.m4a", "audio/mp4", lambda: samples.sound("mp4", "aac"), "voice")
MP3 = ("voice.mp3", "audio/mpeg", lambda: samples.sound("mp3", "libmp3lame"), "voice")
OGG = ("voice.ogg", "audio/ogg", lambda: samples.sound("ogg", "libopus", layout="mono"), "voice")
WAV = ("song.wav", "audio/wav", lambda: samples.sound("wav", "pcm_s16le"), "")
FLAC = ("song.flac", "audio/flac", lambda: samples.sound("flac", "flac"), "")
HEIC = ("beach.heic", "image/heic", lambda: samples.picture("HEIF"), "")
AVIF = ("beach.avif", "image/avif", lambda: samples.picture("AVIF"), "")
WEBP = ("beach.webp", "image/webp", lambda: samples.picture("WEBP"), "")
CLEAR = ("logo.webp", "image/webp", lambda: samples.picture("WEBP", mode="RGBA"), "")
TIFF = ("scan.tiff", "image/tiff", lambda: samples.picture("TIFF"), "")
LARGE = ("large.png", "image/png", lambda: samples.noise("PNG", (2400, 1800)), "")
GIF = ("cat.gif", "image/gif", lambda: samples.moving("GIF"), "")
STILL = ("still.gif", "image/gif", lambda: samples.picture("GIF"), "")
MOVING_WEBP = ("cat.webp", "image/webp", lambda: samples.moving("WEBP"), "")
STICKER = ("sticker.png", "image/png", lambda: samples.picture("PNG", mode="RGBA"), "sticker")
WEBM_FILM = ("film.webm", "video/webm", lambda: samples.film("webm", "libvpx", audio="libopus"), "")
# As browsers record: a stream that does not say how long it is.
LIVE = {"live": "1"}
RECORDED = ("voice.webm", "audio/webm", lambda: samples.sound("webm", "libopus", options=LIVE), "voice")
RECORDED_FILM = ("me.webm", "video/webm", lambda: samples.film("webm", "libvpx", audio="libopus", options=LIVE), "")
MOV = ("film.mov", "video/quicktime", lambda: samples.film("mov", "mpeg4", audio="aac"), "")

# What is inside is not what the container promises.
MP4 = ("film.mp4", "video/mp4", lambda: samples.film("mp4", "libx264", audio="aac"), "")
HEVC = ("hevc.mp4", "video/mp4", lambda: samples.film("mp4", "libx265", audio="aac"), "")
OLD_CODEC = ("old.mp4", "video/mp4", lambda: samples.film("mp4", "mpeg4", audio="aac"), "")
IN_OGG = ("flac.ogg", "audio/ogg", lambda: samples.sound("ogg", "flac"), "voice")
LOSSLESS = ("song.m4a", "audio/mp4", lambda: samples.sound("mp4", "alac"), "")

OPUS, AAC = ("audio/ogg", "ogg", "opus mono"), ("audio/mp4", "mov", "aac stereo")
JPEG, H264 = ("image/jpeg", "JPEG"), ("video/mp4", "mov", "h264", "aac stereo")
SILENT, AS_IT_IS, WEBP_STICKER = ("video/mp4", "mov", "h264"), (), ("image/webp", "WEBP")

# What arrives on WhatsApp, Telegram, Messenger and Instagram.
ARRIVES: list[tuple[Any, ...]] = [
    (WEBM, OPUS, OPUS, AAC, AAC),
    (RECORDED, OPUS, OPUS, AAC, AAC),
    (CALLED_FILM, OPUS, OPUS, AAC, AAC),
    (M4A, OPUS, AS_IT_IS, AS_IT_IS, AS_IT_IS),
    (MP3, OPUS, AS_IT_IS, AS_IT_IS, AAC),
    (OGG, AS_IT_IS, AS_IT_IS, AAC, AAC),
    (WAV, AAC, AAC, AS_IT_IS, AS_IT_IS),
    (FLAC, AAC, AAC, AAC, AAC),
    (HEIC, JPEG, JPEG, JPEG, JPEG),
    (AVIF, JPEG, JPEG, JPEG, JPEG),
    (WEBP, JPEG, AS_IT_IS, JPEG, JPEG),
    (CLEAR, JPEG, AS_IT_IS, JPEG, JPEG),
    (TIFF, JPEG, JPEG, JPEG, JPEG),
    (LARGE, JPEG, JPEG, JPEG, JPEG),
    (GIF, SILENT, AS_IT_IS, AS_IT_IS, SILENT),
    (STILL, JPEG, AS_IT_IS, AS_IT_IS, JPEG),
    (MOVING_WEBP, SILENT, AS_IT_IS, SILENT, SILENT),
    (STICKER, WEBP_STICKER, WEBP_STICKER, AS_IT_IS, AS_IT_IS),
    (WEBM_FILM, H264, H264, AS_IT_IS, AS_IT_IS),
    (RECORDED_FILM, H264, H264, AS_IT_IS, AS_IT_IS),
    (MOV, H264, H264, AS_IT_IS, AS_IT_IS),
    (MP4, AS_IT_IS, AS_IT_IS, AS_IT_IS, AS_IT_IS),
    (HEVC, H264, AS_IT_IS, AS_IT_IS, AS_IT_IS),
    (OLD_CODEC, H264, AS_IT_IS, AS_IT_IS, AS_IT_IS),
    (IN_OGG, OPUS, AS_IT_IS, AAC, AAC),
    (LOSSLESS, AAC, AS_IT_IS, AS_IT_IS, AS_IT_IS),
]
WHERE = ("whatsapp", "telegram", "messenger", "instagram")
CASES = [
    pytest.param(channel, *case[0], case[1 + place], id=f"{case[0][0]} {case[0][1]} {channel}")
    for case in ARRIVES
    for place, channel in enumerate(WHERE)
]


@pytest.mark.parametrize(("channel", "name", "mime_type", "content", "kind", "arrives"), CASES)
async def test_what_arrives_is_what_the_channel_shows(
    road: World, channel: str, name: str, mime_type: str, content: Any, kind: str, arrives: tuple[str, ...]
) -> None:
    """Its type, its codecs and its size, by other eyes than the converter's; what is shown as it is stays as it is."""
    converting(road)
    given = stored(road, name, mime_type, content(), kind)
    async with way(road, provider(road, channel)) as made:
        await sent(road, made, given)
        [(file, _)] = made.channel.sent  # type: ignore[attr-defined]
        limits = made.channel.limits
    if not arrives:
        assert (file.object_key, conversions(road)) == (given.object_key, [])
        return
    bytes_sent = b"".join(road.parts.objects.read(file.object_key))
    assert (file.mime_type, *looked_at(bytes_sent)) == arrives
    assert file.size == len(bytes_sent) <= limits.shown[file.shown_as][file.mime_type]
    assert limits.takes(file.mime_type, file.size, "")
    assert Path(file.filename).stem == Path(name).stem


def shown(name: str, **labels: str) -> float:
    """What a metric says."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_it_is_made_once_for_everybody(road: World) -> None:
    """People, messages, repetitions and a second process use the same; another day's row finds the same bytes kept."""
    converting(road)
    Histogram.flush()
    made_before = shown("chat4all_conversions_total", form="voice", outcome="made")
    timed_before = shown("chat4all_conversion_seconds_count", form="voice")
    given = stored(road, *WEBM[:2], WEBM[2](), "voice")
    for _ in range(2):
        async with way(road, provider(road, "whatsapp")) as made:
            await sent(road, made, given, people=3)
    [row] = conversions(road)
    assert (row.status, row.form, row.source, row.tries) == (FileStatus.READY, "voice", given.object_key, 1)
    assert len(road.wakes.files) == 1
    Histogram.flush()
    assert shown("chat4all_conversions_total", form="voice", outcome="made") == made_before + 1
    assert shown("chat4all_conversion_seconds_count", form="voice") == timed_before + 1


async def test_a_key_waits_for_it_and_nothing_is_begun(road: World) -> None:
    """The lane is free meanwhile, no attempt is counted, and it goes when it is there."""
    given = stored(road, *WEBM[:2], WEBM[2](), "voice")
    async with way(road, provider(road, "whatsapp")) as made:
        with pytest.raises(AssertionError, match="Wait"):
            await sent(road, made, given)
        assert (road.rows()[0].facts.attempts, made.channel.arrived) == (0, [])
        [row] = conversions(road)
        job.convert(road.parts, row.file_id)
        assert isinstance(await made.attempt(), Done)
        assert [file.mime_type for file, _ in made.channel.sent] == ["audio/ogg"]  # type: ignore[attr-defined]


async def test_words_go_beside_a_picture_and_behind_a_voice(road: World) -> None:
    """Where the channel shows them: on WhatsApp a voice note has no words."""
    converting(road)
    async with way(road, provider(road, "whatsapp")) as made:
        await sent(road, made, stored(road, *HEIC[:2], HEIC[2](), text="the beach"))
        await sent(road, made, stored(road, *WEBM[:2], WEBM[2](), "voice", text="listen"))
        files = made.channel.sent  # type: ignore[attr-defined]
        assert [(file.mime_type, text) for file, text in files] == [("image/jpeg", "the beach"), ("audio/ogg", "")]
        assert made.channel.arrived[-1].text == "listen"


def huge_png() -> bytes:
    """A picture of 100,000 by 100,000 that has no points at all."""
    whole = samples.picture("PNG")
    return whole[:16] + (100_000).to_bytes(4, "big") * 2 + whole[24:]


HOSTILE: dict[str, tuple[str, Any]] = {
    "a cut sound": ("audio/webm", lambda: samples.sound("webm", "libopus")[:200]),
    "noise after a right beginning": ("audio/webm", lambda: b"\x1aE\xdf\xa3" + bytes(range(256)) * 40),
    "a sound that is called a picture": ("image/heic", lambda: samples.sound("ogg", "libopus")),
    "a picture that is called a sound": ("audio/webm", lambda: samples.picture("PNG")),
    "a picture with much of nothing": ("image/bmp", lambda: samples.picture("PNG", (12_000, 12_000), "L")),
    "a picture that says it is huge": ("image/webp", huge_png),
    "a drawing": ("image/webp", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'),
    "a film without a picture": ("video/x-matroska", lambda: samples.sound("matroska", "libopus")),
    "nothing but a beginning": ("image/heic", lambda: samples.picture("HEIF")[:60]),
    "too long": ("video/x-matroska", lambda: samples.film("matroska", "libvpx", (32, 32), frames=15 * 700)),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_cannot_be_converted_goes_as_it_is(road: World, name: str) -> None:
    """At once and once: the person gets the file, or a link to it; the row says why."""
    converting(road)
    mime_type, content = HOSTILE[name]
    kind = "voice" if mime_type.startswith("audio/") else ""
    given = stored(road, "given.bin", mime_type, content(), kind)
    async with way(road, provider(road, "instagram")) as made:
        for _ in range(2):
            await sent(road, made, given)
        [row] = conversions(road)
        assert (row.status, row.tries) == (FileStatus.FAILED, 1)
        assert row.reason in {"conversion_unreadable", "conversion_too_large"}
        assert len(made.channel.arrived) == 2
        assert not made.channel.sent or made.channel.sent[0][0] == given  # type: ignore[attr-defined]


class Ear:
    """Listens, to hear whether anybody comes."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(0.1)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/segment.ts"

    def heard(self) -> bool:
        try:
            self.socket.accept()
        except TimeoutError:
            return False
        return True


PLAYLISTS = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{}'\n",
    "DASH": '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{}</BaseURL></Period></MPD>',
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nu={}\nm=audio 5004 RTP/AVP 0\n",
    "after a mark of MPEG": "ID3\x04\x00\x00\x00\x00\x00\x00#EXTM3U\n{}\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("place", ["url", "secret"])
async def test_what_names_other_files_leads_nowhere(road: World, tmp_path: Path, name: str, place: str) -> None:
    """Neither an address nor a file of this machine is opened, whatever the file is called."""
    secret = tmp_path / "secret.ogg"
    secret.write_bytes(samples.sound("ogg", "libopus"))
    ear = Ear()
    content = PLAYLISTS[name].format(ear.url if place == "url" else secret).encode()
    with sandbox.folder() as folder:
        source, made = sandbox.files_of(folder)
        source.write_bytes(content)
        for form, mime_type in (("voice", "audio/mpeg"), ("film", "video/mp4"), ("picture", "image/webp")):
            result = sandbox.converted(folder, FORMS[form], mime_type, 10)
            assert (result.reason, result.mime_type) == ("conversion_unreadable", "")
            assert not made.exists() or b"OggS" not in made.read_bytes()
    assert not ear.heard()
    ear.socket.close()


# What befalls whoever converts.


def asked(
    road: World, content: bytes, mime_type: str = "audio/webm", form: str = "voice", clock: Callable[[], int] = now_ms
) -> StoredFile:
    """The row of a conversion that a lane has asked for."""
    given = replace(stored(road, f"{form}.bin", mime_type, content, form if form == "voice" else ""), form=form)
    in_its_form(road.parts, given, open_channel("whatsapp", road.parts.settings).limits, clock)()
    return conversions(road)[-1]


def now(road: World, row: StoredFile) -> StoredFile:
    """The row as it is now."""
    return road.store.files([row.file_id])[row.file_id]


def test_a_killed_conversion_is_tried_again_a_few_times(road: World) -> None:
    """The kernel ends its process: at once again, and after the third time it is given up, for good."""
    row, ends = asked(road, WEBM[2]()), [KILLED, KILLED]

    def makes(*args: Any) -> Result:
        return Result(reason=ends.pop()) if ends else sandbox.converted(*args)

    job.convert(road.parts, row.file_id, makes=makes)
    assert (now(road, row).status, now(road, row).tries) == (FileStatus.READY, 3)
    other = asked(road, WEBM[2]() + b"\0")
    ends += [KILLED] * 3
    for _ in range(2):
        job.convert(road.parts, other.file_id, makes=makes)
    assert (now(road, other).status, now(road, other).reason, ends) == (FileStatus.FAILED, KILLED, [])


def test_who_dies_while_it_converts_is_followed_by_the_sweep(road: World) -> None:
    """While somebody may be at it nobody else begins; then it is asked for again, and in the end given up."""
    row, at = asked(road, WEBM[2]()), now_ms()

    def die(*_: Any) -> Result:
        raise SystemExit

    def convert() -> None:
        job.convert(road.parts, row.file_id, makes=die, clock=lambda: at)

    for tries in range(1, job.TRIES + 1):
        with pytest.raises(SystemExit):
            convert()
        begun = now(road, row)
        assert (begun.tries, begun.status) == (tries, FileStatus.UPLOADING)
        convert()
        assert now(road, row) == begun
        assert begun.busy_until <= begun.due_at
        at = begun.busy_until
        look(road.parts, begun, begun.due_at)
        assert road.wakes.files[-1] == (CONVERT, row.file_id)
    convert()
    assert (now(road, row).status, now(road, row).reason) == (FileStatus.FAILED, KILLED)


async def test_what_nobody_converts_goes_as_it_is(road: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that nobody reads costs a quarter of an hour, and no message; the sweep says why."""
    given = stored(road, *WEBM[:2], WEBM[2](), "voice")
    async with way(road, provider(road, "whatsapp")) as made:
        with pytest.raises(AssertionError, match="Wait"):
            await sent(road, made, given)
        [row] = conversions(road)
        look(road.parts, row, row.due_at)
        look(road.parts, now(road, row), row.expires_at + 60_000)
        assert (now(road, row).status, now(road, row).reason) == (FileStatus.FAILED, TIMEOUT)
        await made.until_done()
        assert [file for file, _ in made.channel.sent] == [given]  # type: ignore[attr-defined]


def test_an_outage_counts_as_no_try(road: World) -> None:
    """The bytes cannot be had just now: it is done when they can."""
    row = asked(road, WEBM[2]())
    away = Between(road.parts.objects)
    away.fail("read", Temporary("objects_away"))
    with pytest.raises(Temporary):
        job.convert(replace(road.parts, objects=cast("ObjectStore", away)), row.file_id)
    assert (now(road, row).tries, now(road, row).busy_until) == (0, 0)
    job.convert(road.parts, row.file_id)
    assert now(road, row).status is FileStatus.READY


LIMITS: dict[str, tuple[sandbox.Bounds, str]] = {
    "memory": (sandbox.Bounds(memory_bytes=400 << 20), MEMORY),
    "seconds by the clock": (sandbox.Bounds(seconds_by_clock=0), TIMEOUT),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_conversion_takes_so_much_and_no_more(road: World, name: str) -> None:
    """It ends, is given up with the reason, and leaves no process and no folder behind."""
    bounds, reason = LIMITS[name]
    row = asked(road, samples.picture("PNG", (7000, 7000), "RGBA"), "image/tiff", "picture")
    before = set(Path(gettempdir()).glob(f"{sandbox.PREFIX}*"))
    job.convert(road.parts, row.file_id, bounds)
    assert (now(road, row).status, now(road, row).reason) == (FileStatus.FAILED, reason)
    assert set(Path(gettempdir()).glob(f"{sandbox.PREFIX}*")) <= before


def test_seconds_of_a_processor_are_counted() -> None:
    """A long film is ended by the kernel."""
    with sandbox.folder() as folder:
        source, _ = sandbox.files_of(folder)
        source.write_bytes(samples.film("matroska", "libvpx", (1280, 720), frames=400))
        result = sandbox.converted(folder, FORMS["film"], "video/x-matroska", 1)
    assert result.reason == TIMEOUT


def test_only_who_converts_imports_the_libraries() -> None:
    """A gateway and a worker know neither FFmpeg nor Pillow."""
    program = "import sys, tasks.app, webapp.app, bridges.stream; print({'av', 'PIL', 'pillow_heif'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "set()"


def test_the_child_has_no_secrets(road: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the settings of its parent it gets none."""
    row = asked(road, WEBM[2]())
    monkeypatch.setenv("WHATSAPP_TOKEN", "secret-token")
    begun: list[Any] = []
    popen = subprocess.Popen

    def begin(*args: Any, **how: Any) -> Any:
        begun.append(how)
        return popen(*args, **how)

    monkeypatch.setattr(subprocess, "Popen", begin)
    job.convert(road.parts, row.file_id)
    assert "secret-token" not in str(begun[0]["env"])
    assert set(begun[0]["env"]) == {"PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "LANG"}


def test_what_is_made_goes_when_it_has_had_its_time(road: World) -> None:
    """It is nobody's: two days later row and bytes go, and what was sent to people stays with them."""
    row = asked(road, WEBM[2]())
    job.convert(road.parts, row.file_id)
    ready = now(road, row)
    assert ready.due_at > ready.created_at + DAY_MS
    FileLifecycle(road.store, road.parts.objects, road.parts.settings, clock=lambda: ready.due_at + 1).look(ready)
    assert now(road, row).status is FileStatus.EXPIRED
    assert road.parts.objects.size(ready.object_key) is None
    assert road.parts.objects.size(row.source) is not None


def test_another_day_makes_its_own_and_keeps_the_bytes_once(road: World) -> None:
    """Equal bytes have one place, so what a provider was given of them is still known."""
    first = asked(road, WEBM[2]())
    job.convert(road.parts, first.file_id)
    second = asked(road, WEBM[2](), clock=lambda: now_ms() + DAY_MS)
    assert second.file_id != first.file_id
    job.convert(road.parts, second.file_id)
    assert now(road, second).object_key == now(road, first).object_key


ALBUM: tuple[Sample, ...] = (HEIC, WEBM_FILM, WEBP)
PHOTO: Sample = ("photo.jpg", "image/jpeg", lambda: samples.picture("JPEG"), "")


class Albums(Keeping):
    """Keeps albums, too."""

    def __init__(self) -> None:
        super().__init__()
        self.albums: list[tuple[Media, ...]] = []

    def album_group(self, file: Media) -> str:
        return "shown" if file.mime_type in {"image/jpeg", "image/webp", "video/mp4"} else "document"

    async def send_album(self, message: Outgoing, items: Sequence[Media], sources: Sequence[MediaSource]) -> str:
        self.albums.append(tuple(items))
        return await self.send_text(message)


@pytest.mark.parametrize(("channel", "albums", "alone"), [("telegram", [3], 0), ("whatsapp", [], 3)])
async def test_pictures_of_an_album_are_converted_too(road: World, channel: str, albums: list[int], alone: int) -> None:
    """Together where the channel has albums, one after the other elsewhere; each is what the channel shows."""
    converting(road)
    items = tuple(stored(road, name, mime_type, content()) for name, mime_type, content, _ in ALBUM)
    made = Albums()
    made.limits = open_channel(channel, road.parts.settings).limits
    async with way(road, made) as there:
        await sent(road, there, Album(items, "the beach"))
    assert [len(each) for each in made.albums] == albums
    assert len(made.sent) == alone
    for file in (*(each for album in made.albums for each in album), *(file for file, _ in made.sent)):
        assert file.size <= made.limits.shown[file.shown_as][file.mime_type]
    assert sum(each.text == "the beach" or "the beach" in each.text for each in made.arrived) == 1


async def test_what_a_provider_brought_is_converted_when_it_is_there(road: World) -> None:
    """Its type is known when its bytes are: a sticker from Telegram is one picture on Instagram, a photo stays as it is."""
    converting(road)
    async with way(road, provider(road, "instagram")) as made:
        brought: list[Sample] = [WEBP, PHOTO]
        for number, sample in enumerate(brought):
            content = sample[2]()
            lifecycle = FileLifecycle(road.store, road.parts.objects, road.parts.settings)
            begun = lifecycle.begin(TALK, "contact", sample[0], sample[1], 0, in_parts=False)
            coming = Media(begun.file_id, "", "file", ANY_TYPE, kind="image")
            with pytest.raises(AssertionError, match="Wait"):
                await sent(road, made, coming)
            road.parts.objects.put(begun.own_key, [content])
            lifecycle.finished(begun, hashlib.sha256(content).hexdigest(), len(content))
            await made.until_done()
            file, _ = made.channel.sent[number]  # type: ignore[attr-defined]
            assert file.mime_type == "image/jpeg"
        assert len(conversions(road)) == 1


def test_it_is_asked_for_on_a_queue_of_its_own() -> None:
    """Workers can be given to conversions; with `make run` and with compose somebody reads it."""
    sent_to: list[str] = []
    app = declared()
    app.send_task = lambda task, args, queue: sent_to.append(queue)
    CeleryWaker(app).wake_file(CONVERT, "f")
    CeleryWaker(app).wake_file("fetch_media", "f")
    assert sent_to == ["conversions", "channels"]
    assert CONVERT in app.tasks
    [worker] = [each for each in PARTS if each.name == "worker-channels"]
    assert any("conversions" in each.split(",") for each in worker.command(Settings()))


def test_an_operator_may_want_no_conversions(road: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then files go as they did."""
    monkeypatch.setenv("WHATSAPP_CONVERTS", "false")
    channel = open_channel("whatsapp", road.parts.settings)
    given = stored(road, *WEBM[:2], WEBM[2](), "voice")
    _, renditions = rendered(given, "", [whatsapp(1)], {"whatsapp": channel})
    assert renditions == ()


def upright(content: bytes) -> bytes:
    """A film as telephones make it that were held upright: its pictures are to be turned clockwise."""
    track = content.index(b"tkhd")
    straight = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9I", 0, 1 << 16, 0, 0xFFFF0000, 0, 0, 180 << 16, 0, 1 << 30)
    place = content.index(straight, track)
    return content[:place] + turned + content[place + len(straight) :]


def test_what_was_filmed_upright_stays_upright() -> None:
    """As tall as it was, and what was on its left is on top."""
    with sandbox.folder() as folder:
        source, made = sandbox.files_of(folder)
        source.write_bytes(upright(samples.film("mov", "mpeg4", (320, 180), halves=True)))
        assert sandbox.converted(folder, FORMS["film"], "video/quicktime", 10).mime_type == "video/mp4"
        with av.open(str(made)) as opened:
            first = next(opened.decode(video=0)).to_image()
    assert first.size == (180, 320)
    above, below = first.getpixel((90, 40)), first.getpixel((90, 280))
    assert above[0] > 150 > below[0]


def test_a_picture_is_upright_and_says_nothing_of_its_place() -> None:
    """The camera's note of how it was held is followed, and goes, with all others."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    with sandbox.folder() as folder:
        source, made = sandbox.files_of(folder)
        for kind, mime_type in (("HEIF", "image/heic"), ("TIFF", "image/tiff"), ("WEBP", "image/webp")):
            source.write_bytes(samples.picture(kind, (300, 200), exif=exif.tobytes()))
            assert sandbox.converted(folder, FORMS["picture"], mime_type, 10).mime_type == "image/jpeg"
            with Image.open(made) as image:
                assert image.size == (200, 300), kind
                assert dict(image.getexif()) == {}
            made.unlink()
