"""Serves the bytes of files of the embedded store: `python -m bridges.objects`. A signed URL allows what it says, and no more.

One loop serves all transfers, so that a slow client takes a little memory and no thread. S3 serves its URLs itself.
A file is never displayed in place: whatever type its sender claimed, a browser only saves it.
"""

import asyncio
import json
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from typing import Any, TypeVar

import uvloop
from aiohttp import web
from msgspec import Struct

from chat4all.model.cors import cross_origin, origins
from chat4all.model.failures import Failure, Permanent, Temporary
from chat4all.model.files import disposition
from chat4all.settings import Settings, SettingsError, load
from chat4all.telemetry import exporter, metrics
from chat4all.telemetry.logs import configure, logger
from storage.object_store.folder import ROUTE, FolderStore
from storage.object_store.serving import SAFE, NoSuchRange, bounds
from storage.object_store.signing import BadUrl
from storage.open import open_objects

log = logger(__name__)

# Few: each keeps a heap of its own for the chunks that it reads.
THREADS = 3
FILES = 16_384
METHODS = "GET, HEAD, OPTIONS, PUT"
GRACE_S = 2.0
TITLES = {403: "Not allowed", 404: "Not found", 408: "Too slow", 413: "Too large", 416: "Range not there", 422: "Not valid",
          503: "Unavailable"}  # fmt: skip
WORDS = {"url_expired": "the URL has expired; ask for a new one", "url_invalid": "this URL was not made here"}

BEGUN = web.RequestKey("begun", web.StreamResponse)
Result = TypeVar("Result")


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(code)
        self.status, self.code, self.detail, self.headers, self.more = status, code, detail, headers or {}, more

    def response(self) -> web.Response:
        """The problem document, counted."""
        metrics.REQUESTS_REFUSED.of_reason(self.code).add()
        body = {"type": f"urn:chat4all:problem:{self.code}", "title": TITLES[self.status], "status": self.status}
        body |= {"code": self.code, "detail": self.detail} | self.more
        return web.Response(
            status=self.status, text=json.dumps(body), content_type="application/problem+json", headers=self.headers
        )


class Bounds(Struct, frozen=True):
    """What one client may take of the process. `_s`: seconds."""

    # Beyond these a client is told to come again.
    transfers: int = 1000
    # Who says nothing for so long, or is slower than this beyond the first seconds, is let go.
    idle_s: float = 15.0
    patience_s: float = 10.0
    slow_after_s: float = 20.0
    least_per_s: int = 8 << 10


BOUNDS = Bounds()


class Pace:
    """How fast one transfer goes."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._began = time.monotonic()
        self._moved = 0

    async def step(self, work: Awaitable[Result]) -> Result:
        """One step of the transfer. Refused when it stands still."""
        try:
            async with asyncio.timeout(self._bounds.patience_s):
                return await work
        except TimeoutError:
            raise Refused(408, "request_too_slow", "nothing moved for too long") from None

    def moved(self, size: int) -> None:
        """So many bytes more have gone, or come. Refused when they are too few by now."""
        self._moved += size
        spent, least = time.monotonic() - self._began, self._bounds.least_per_s
        if spent > self._bounds.slow_after_s and self._moved < spent * least:
            raise Refused(408, "request_too_slow", f"at least {least} bytes a second")


class Objects:
    """Serves the URLs of a folder store."""

    def __init__(self, store: FolderStore, cors_origins: frozenset[str] = frozenset(), bounds: Bounds = BOUNDS) -> None:
        self._store, self._bounds = store, bounds
        self._origins = cors_origins
        self._pool = ThreadPoolExecutor(THREADS, "objects")
        self._transfers = 0

    def app(self) -> web.Application:
        """The HTTP application."""
        app = web.Application(middlewares=[self._answered])
        app.router.add_get(f"{ROUTE}/{{key}}", self.fetch)
        app.router.add_put(f"{ROUTE}/{{key}}", self.bring)
        app.router.add_route("OPTIONS", f"{ROUTE}/{{key}}", self.options)
        app.router.add_get("/healthz", self.health)
        app.on_response_prepare.append(self._for_pages)
        return app

    async def options(self, _request: web.Request) -> web.Response:
        """What a page of another origin asks before it brings a part, or fetches a range."""
        return web.Response(headers={"Allow": METHODS})

    async def _for_pages(self, request: web.Request, response: web.StreamResponse) -> None:
        """The same origins as at the gateway. Refusals can be read too."""
        methods = METHODS if request.method == "OPTIONS" else ""
        response.headers.update(cross_origin(request.headers.get("Origin", ""), self._origins, methods))

    async def health(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """The object, or a range of it."""
        key = request.match_info["key"]
        fields = self._allowed("GET", key, request)
        size = await self._disk(self._store.size, key)
        if size is None:
            raise Refused(404, "unknown_object", "there is no such object")
        first, last, status, headers = self._range(request, key, size)
        headers |= SAFE | {
            "Content-Disposition": disposition(fields["name"]),
            "ETag": f'"{key}"',
            "Content-Type": fields["type"],
        }
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = last - first + 1
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        return await self._send(request, response, self._store.read(key, first, last))

    async def _send(self, request: web.Request, response: web.StreamResponse, chunks: Iterator[bytes]) -> web.StreamResponse:
        # The first now: what is missing must become a 404 while it still can.
        chunk: bytes = await self._disk(next, chunks, b"")
        request[BEGUN] = response
        await response.prepare(request)
        if request.transport is not None:
            # The next chunk is read when this one has gone: a reader who takes nothing costs one.
            request.transport.set_write_buffer_limits(high=0)
        pace = Pace(self._bounds)
        while chunk:
            await pace.step(response.write(chunk))
            pace.moved(len(chunk))
            chunk = await self._disk(next, chunks, b"")
        await response.write_eof()
        return response

    def _range(self, request: web.Request, key: str, size: int) -> tuple[int, int, int, dict[str, str]]:
        try:
            asked = bounds(request.headers.get("Range"), request.headers.get("If-Range"), key, size)
        except NoSuchRange:
            headers = {"Content-Range": f"bytes */{size}"}
            raise Refused(416, "range_not_there", f"the file has {size} bytes", headers) from None
        if asked is None:
            return 0, size - 1, 200, {}
        first, last = asked
        return first, last, 206, {"Content-Range": f"bytes {first}-{last}/{size}"}

    async def bring(self, request: web.Request) -> web.StreamResponse:
        """Take a part's bytes. Its length must be the part's."""
        key = request.match_info["key"]
        fields = self._allowed("PUT", key, request)
        size, given = int(fields["size"]), request.content_length
        if given is not None and given != size:
            raise _wrong_size(413 if given > size else 422, size)
        draft = await self._disk(self._store.begin_part, key, fields)
        try:
            async for chunk in self._chunks(request):
                await self._disk(draft.write, chunk)
            part = await self._disk(draft.finish)
        except Permanent as failure:
            if failure.reason == "wrong_size":
                raise _wrong_size(422, size) from None
            raise
        finally:
            await self._disk(draft.close)
        return web.Response(headers={"ETag": f'"{part.etag}"'})

    async def _chunks(self, request: web.Request) -> AsyncIterator[bytes]:
        pace = Pace(self._bounds)
        while chunk := await pace.step(request.content.readany()):
            pace.moved(len(chunk))
            yield chunk

    def _allowed(self, method: str, key: str, request: web.Request) -> dict[str, str]:
        """What the URL allows. Refused when it is not ours, was changed, or is over."""
        try:
            return self._store.signer.check(method, key, dict(request.query))
        except BadUrl as error:
            raise Refused(403, error.code, WORDS[error.code]) from None

    async def _disk(self, work: Callable[..., Result], *given: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    @web.middleware
    async def _answered(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Whatever goes wrong becomes an answer, unless one has begun: then its end is missing."""
        if self._transfers >= self._bounds.transfers:
            return Refused(503, "busy", "too many transfers at once; try again", {"Retry-After": "2"}).response()
        self._transfers += 1
        try:
            answer: web.StreamResponse = await handler(request)
            return answer
        except (Refused, Permanent, Temporary) as error:
            refused = _refused(error)
            if refused.status == 503:
                log.warning("object_not_served", reason=refused.detail)
        except ConnectionError:
            # The client left. Nobody is there to answer, and nothing is wrong here.
            refused = Refused(408, "request_too_slow", "the connection ended")
        finally:
            self._transfers -= 1
        if BEGUN in request:
            if request.transport is not None:
                request.transport.abort()
            return request[BEGUN]
        return refused.response()

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(cancel_futures=True)


def _wrong_size(status: int, size: int) -> Refused:
    return Refused(status, "wrong_part_size", f"this part has {size} bytes", part_size=size)


def _refused(error: Refused | Permanent | Temporary) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, Temporary):
        return Refused(503, "unavailable", error.reason, {"Retry-After": "1"})
    if error.reason == "no_upload":
        return Refused(404, "upload_over", "this upload is complete, or has expired")
    return Refused(404, "unknown_object", "there is no such object")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    store = open_objects(settings)
    if not isinstance(store, FolderStore):
        raise SettingsError("CHAT4ALL_OBJECTS: only a folder's bytes are served by us; S3 serves its own.")
    with closing(store):
        async with serving(store, settings):
            exporter.serve("objects", settings)
            log.info("objects_ready", port=settings.objects_port)
            await stopping.wait()


@asynccontextmanager
async def serving(store: FolderStore, settings: Settings, bounds: Bounds = BOUNDS) -> AsyncIterator[None]:
    """The store's URLs are served while the context lasts."""
    objects = Objects(store, origins(settings.cors_origins), bounds)
    runner = web.AppRunner(objects.app(), access_log=None, shutdown_timeout=GRACE_S, keepalive_timeout=bounds.idle_s)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.objects_port, backlog=1024).start()
        yield
    finally:
        await runner.cleanup()
        objects.close()


def main() -> None:
    """The process. Ends with status 1 and one line when it cannot serve."""
    configure("objects")
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= now < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, FILES) if most > 0 else FILES, most))
    try:
        uvloop.run(serve(load()))
    except (SettingsError, Failure, OSError) as error:
        log.error("objects_ended", why=str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
