"""Giving files to a provider before they are sent: each once, few at the same time, and beside the sends, which go on."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import astuple, replace

from chat4all.model.backoff import Backoff
from chat4all.model.clock import now_ms
from chat4all.model.content import Media
from chat4all.model.failures import Failure, Permanent, Temporary, Throttled
from chat4all.ports import Body, Channel, FileLink, MediaSource, Uploaded, UploadPlace
from chat4all.telemetry import logs, metrics
from tasks.lanes.outgoing_files import CALL_SLACK
from tasks.lanes.upload_memory import UploadMemory
from tasks.resources import Parts
from tasks.stages.stage import described

log = logs.logger(__name__)

# How a send's file goes out; None: as words with a link. Of an album, how each of its files does.
Source = MediaSource | tuple[MediaSource, ...] | None
# Uploads of one account under way at once: each holds a thread that reads the file, and some MiB.
SIDE_BY_SIDE = 4


class Times(Struct, frozen=True):
    """How long is waited for uploads. `_s`: seconds; `_ms`: milliseconds."""

    # An upload this short is waited for; for a longer one the key is written down, and gives its place in memory to others.
    patience_s: float = 1.0
    # How soon to look again: half of what it has taken so far, within these.
    look_ms: int = 1_000
    look_most_ms: int = 15_000


TIMES = Times()


class Forgotten(Temporary):
    """The provider no longer has what was uploaded long ago. Nothing was sent; the file is uploaded anew."""


class Later(Exception):
    """It is not there yet: look again at `at` (ms UTC)."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class UnderWay:
    """An upload that goes on, or has failed and is left alone until `again_at` (ms UTC). `times`: it failed before."""

    def __init__(self, times: int, waits: Times) -> None:
        self.ended: asyncio.Future[Uploaded | None] = asyncio.get_running_loop().create_future()
        self.times, self.again_at = times, 0
        self._waits = waits
        self._begun = time.monotonic()

    async def wait(self) -> None:
        """Until it has ended, for a little while."""
        left_s = self._waits.patience_s - (time.monotonic() - self._begun)
        await asyncio.wait([self.ended], timeout=max(0.0, left_s))

    @property
    def look_at(self) -> int:
        """When to look again."""
        took_ms = int((time.monotonic() - self._begun) * 1000)
        return max(self.again_at, now_ms() + min(max(self._waits.look_ms, took_ms // 2), self._waits.look_most_ms))


class ProviderUploads:
    """The files of one account at its provider. Lives on the lanes' loop; the stores are called in threads."""

    def __init__(self, channel: Channel, parts: Parts, executor: Executor, waits: Times = TIMES) -> None:
        self._channel, self._parts, self._waits = channel, parts, waits
        retries = channel.retries or parts.settings.retry_policy
        self._backoff = Backoff(retries.backoff_first_s, retries.backoff_most_s)
        self._readers = ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="provider-uploads")
        self._slots = asyncio.Semaphore(SIDE_BY_SIDE)
        self._memory = UploadMemory(parts.store, executor)
        self._under_way: dict[UploadPlace, UnderWay] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = partial(metrics.PROVIDER_UPLOADS.of, channel.name)
        self._took = metrics.PROVIDER_UPLOAD_SECONDS.of(channel.name)

    @asynccontextmanager
    async def source(self, file: Media, words: str) -> AsyncIterator[MediaSource | None]:
        """How a file goes out with these words beside it; None: as words with a link. Raises Later while it is being uploaded.

        What sends carry themselves is nobody else's for as long as the context lasts: the others use what comes of it.
        """
        limits, key = self._channel.limits, self.place(file, words)
        if not limits.takes(file.mime_type, file.size, words):
            yield None
        elif not limits.takes_upload(file.mime_type, file.size) or self._memory.was_refused(key):
            yield self._link(file)
        elif self._channel.carries_bytes:
            async with self._carried({key: file}) as sources:
                yield sources[key]
        else:
            yield await self._given(key, file) or self._link(file)

    @asynccontextmanager
    async def sources(self, files: Sequence[Media]) -> AsyncIterator[tuple[MediaSource, ...]]:
        """How files go out that one send carries, in their order. As `source`; Permanent `media`: one of them cannot."""
        limits, places = self._channel.limits, [self.place(each, "") for each in files]
        by_place = dict(zip(places, files, strict=True))
        uploaded = {place: each for place, each in by_place.items() if limits.takes_upload(each.mime_type, each.size)}
        linked = {place: link for place, each in by_place.items() if place not in uploaded and (link := self._link(each))}
        if len(uploaded) + len(linked) < len(by_place):
            raise Permanent("media", "the channel takes one of the files no longer")
        async with self._carried(uploaded) as carried:
            yield tuple((linked | carried)[each] for each in places)

    def place(self, file: Media, words: str) -> UploadPlace:
        """Where an upload of it is kept, for sends with these words beside it."""
        name, account = self._channel.name, self._channel.account.account_id
        return UploadPlace(name, account, file.object_key, self._channel.shown_as(replace(file, text=words)))

    def seconds(self, size: int) -> float:
        """How long a call may take that carries so many bytes."""
        return self._parts.settings.provider_timeout_s + size / self._parts.settings.provider_upload_rate

    def sent(self, key: UploadPlace, uploaded: Uploaded) -> None:
        """A send carried the file: the next ones name it. Does not wait for the store: what was sent comes first."""
        self._count("uploaded").add()
        self._memory.remember(key, uploaded)
        self._spawn(self._memory.note(key, uploaded))

    def refused(self, key: UploadPlace, source: MediaSource, failure: Permanent) -> bool:
        """Whether a send may have failed because the provider forgot the file. Then it is uploaded anew, once."""
        forgotten = self._memory.forget(key, source, failure)
        if forgotten:
            self._count("again").add()
        return forgotten

    async def close(self) -> None:
        """Begin nothing more; what goes on is cut off, and is done again by whoever needs it."""
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._readers.shutdown(wait=False, cancel_futures=True)

    # What is known

    def _link(self, file: Media) -> FileLink | None:
        if not self._channel.limits.takes_link(file.mime_type, file.size):
            return None
        objects, life_s = self._parts.objects, self._parts.settings.presigned_s
        return FileLink(objects.sign_get(file.object_key, file.filename, file.mime_type, life_s))

    # Sends that carry bytes

    @asynccontextmanager
    async def _carried(self, files: Mapping[UploadPlace, Media]) -> AsyncIterator[dict[UploadPlace, MediaSource]]:
        """What the provider calls each, or its bytes. All that one send carries take one slot, and are begun in one order:
        so no two sends wait for each other.
        """
        carrying: dict[UploadPlace, UnderWay] = {}
        try:
            known = {key: await self._kept_or_ours(key, carrying) for key in sorted(files, key=astuple)}
            async with self._slot() if carrying else nullcontext():
                yield {key: known[key] or await self._body(file) for key, file in files.items()}
        finally:
            for key, each in carrying.items():
                del self._under_way[key]
                each.ended.set_result(None)

    async def _kept_or_ours(self, key: UploadPlace, carrying: dict[UploadPlace, UnderWay]) -> Uploaded | None:
        """What the provider calls it; None: it is ours to carry, and stands among these."""
        kept = await self._memory.find(key)
        if kept is None and (other := self._under_way.get(key)):
            await other.wait()
            kept = await self._memory.find(key)
            if kept is None and key in self._under_way:
                raise Later(other.look_at)
        if kept is None:
            self._under_way[key] = carrying[key] = UnderWay(0, self._waits)
        return kept

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """One of the few. Later, where none becomes free soon."""
        try:
            await asyncio.wait_for(self._slots.acquire(), self._waits.patience_s)
        except TimeoutError:
            raise Later(now_ms() + self._waits.look_ms) from None
        try:
            yield
        finally:
            self._slots.release()

    async def _body(self, file: Media) -> Body:
        """The bytes of a file. Permanent `no_object` where there are none."""
        size = await asyncio.get_running_loop().run_in_executor(self._readers, self._parts.objects.size, file.object_key)
        if size is None:
            raise Permanent("no_object", "the file is gone")
        return Body(size, partial(self._chunks, file.object_key), self.seconds(size))

    async def _chunks(self, object_key: str) -> AsyncIterator[bytes]:
        loop, reading = asyncio.get_running_loop(), self._parts.objects.read(object_key)
        while chunk := await loop.run_in_executor(self._readers, next, reading, b""):
            yield chunk

    # Uploads before the send

    async def _given(self, key: UploadPlace, file: Media) -> Uploaded | None:
        """What the provider calls it; None: it does not take it."""
        kept = await self._memory.find(key)
        if kept:
            return kept
        upload = self._under_way.get(key)
        if upload is None or (upload.again_at and upload.again_at <= now_ms()):
            upload = self._under_way[key] = UnderWay(upload.times if upload else 0, self._waits)
            self._spawn(self._upload(key, file, upload))
        await upload.wait()
        if not upload.ended.done() or upload.again_at:
            raise Later(upload.look_at)
        return upload.ended.result()

    async def _upload(self, key: UploadPlace, file: Media, upload: UnderWay) -> None:
        """Give the file to the provider. What came of it stands in `upload`, whatever happens: others wait for it."""
        uploaded = None
        try:
            async with self._slots:
                uploaded = await self._tried(key, file, upload)
            if uploaded:
                await self._memory.note(key, uploaded)
        finally:
            if not upload.again_at:
                del self._under_way[key]
            upload.ended.set_result(uploaded)

    async def _tried(self, key: UploadPlace, file: Media, upload: UnderWay) -> Uploaded | None:
        begun = time.perf_counter()
        try:
            uploaded = await self._uploaded(file)
        except Permanent as failure:
            self._count("refused").add()
            log.warning("upload_refused", channel=key.channel, file_id=file.file_id, reason=failure.reason)
            self._memory.refuse(key)
            return None
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody got anything: it is done again
            self._failed(key, file, upload, error)
            return None
        self._took(time.perf_counter() - begun)
        self._count("uploaded").add()
        metrics.PROVIDER_UPLOAD_BYTES.of(key.channel).add(file.size)
        return uploaded

    async def _uploaded(self, file: Media) -> Uploaded:
        body = await self._body(file)
        async with asyncio.timeout(body.seconds * CALL_SLACK):
            return await self._channel.upload(file, body)

    def _failed(self, key: UploadPlace, file: Media, upload: UnderWay, error: Exception) -> None:
        upload.times += 1
        wait_s = error.retry_after if isinstance(error, Throttled) else self._backoff.after(upload.times)
        upload.again_at = now_ms() + int(wait_s * 1000) + 1
        self._count("failed").add()
        why = error.reason if isinstance(error, Failure) else described(error)
        log.warning("upload_failed", channel=key.channel, file_id=file.file_id, reason=why, times=upload.times)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
