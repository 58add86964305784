"""The stream server: `python -m bridges.stream`. gRPC and Server-Sent Events from one consumer of chat-events."""

import asyncio
import secrets
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing
from typing import Any

import grpc
import uvloop
from aiohttp import web
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from bridges.streaming.authentication import Authenticator
from bridges.streaming.backlog import Backlog
from bridges.streaming.feed import Feed, starting_point
from bridges.streaming.grpc_service import SERVICE, Chat
from bridges.streaming.history import HistoryReader
from bridges.streaming.hub import Hub, Limits
from bridges.streaming.reflection import AuthenticatedReflection
from bridges.streaming.sessions import Sessions
from bridges.streaming.signal_feed import SignalFeed
from bridges.streaming.sse import EventsPage
from bridges.streaming.times import TIMES, Times
from chat4all.model.cors import origins
from chat4all.model.failures import Failure, Mismatch
from chat4all.model.presence import Readers
from chat4all.model.records import EVENTS, INCOMING, SIGNALS
from chat4all.ports import EventLog, MessageStore
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.accounts.live import LiveChannels
from chat4all.settings import Settings, SettingsError, load
from chat4all.telemetry import exporter, tracing
from chat4all.telemetry.logs import configure, logger
from storage.open import open_log, open_store

log_to = logger(__name__)

THREADS = 16
# What is under way when the process is told to end has so long; clients resume elsewhere.
GRACE_S = 1.0
# After a restart all readers come in the same moment: who finds no room tries again a second later, then three.
BACKLOG = 4096
OPTIONS = (
    # Without this a second server would share the port, and each would get some of the callers.
    ("grpc.so_reuseport", 0),
    # A reader whose network went away is noticed.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


class StreamServer:
    """Everything this process serves. Made on its loop; `log` and `store` stay the caller's to close."""

    def __init__(
        self, settings: Settings, log: EventLog, store: MessageStore, limits: Limits | None = None, times: Times = TIMES
    ) -> None:
        self._settings, self._times = settings, times
        self._log = log
        self._store = store
        self._limits = limits
        self._pool = ThreadPoolExecutor(THREADS, "past")
        self._calls = ThreadPoolExecutor(THREADS, "calls")
        self._authenticator = Authenticator(settings, store, self._calls, times)
        # What was begun, to be ended in reverse.
        self._let_go = AsyncExitStack()
        self._let_go.callback(self._calls.shutdown, cancel_futures=True)
        self._let_go.callback(self._pool.shutdown, cancel_futures=True)
        self._let_go.callback(self._authenticator.close)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # set at run time

    @property
    def failed(self) -> "asyncio.Future[None]":
        """Done when the feed ended, with what ended it."""
        return self._feed.ended

    @property
    def subscribers(self) -> int:
        """How many streams are open."""
        return self._hub.subscribers

    async def start(self) -> None:
        """Serve. Returns when calls are answered; Mismatch, Temporary or OSError, with all let go, when that cannot be."""
        try:
            await self._begin()
        except BaseException:
            await self.stop()
            raise

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        identity = await loop.run_in_executor(self._pool, check_topics, self._log, self._store)
        beginning = await loop.run_in_executor(self._pool, starting_point, self._log, self._store)
        self._hub = Hub(beginning.published, self._limits, beginning.positions)
        self._feed = Feed(self._log, self._store, beginning, self._hub)
        self._let_go.push_async_callback(self._feed.stop)
        self._feed.start()
        await self._until_open()
        reader = HistoryReader(self._store, len(beginning.ends), self._times.slack_ms)
        readers = Readers(secrets.token_hex(8))
        signals = SignalFeed(self._log, self._store, self._hub, self._feed, readers, self._times.presence_s)
        self._let_go.push_async_callback(signals.stop)
        await signals.start()
        sessions = Sessions(self._hub, reader, self._pool, Backlog(self._log), readers)
        acceptors = await loop.run_in_executor(self._pool, self._acceptors)
        may_ask = origins(self._settings.cors_origins)
        await self._serve_http(
            EventsPage(sessions, self._authenticator, identity, may_ask, self._times, self._settings.gateway_port)
        )
        await self._serve_grpc(Chat(acceptors, sessions, self._authenticator, identity, self._calls, self._times.write_s))
        self._let_go.callback(sessions.close)
        self._let_go.push_async_callback(self._health.enter_graceful_shutdown)
        log_to.info("stream_ready", port=self._settings.stream_port, events_port=self._settings.events_port)

    async def stop(self) -> None:
        """End all streams so that their readers resume elsewhere, then let go of everything. Safe to call twice."""
        await self._let_go.aclose()

    async def _until_open(self) -> None:
        if not await first_of(self._feed.is_open, self._feed.ended):
            self._feed.ended.result()

    def _acceptors(self) -> Acceptors:
        live = LiveChannels(self._settings, self._store).open()
        self._let_go.callback(live.close)
        acceptors = Acceptors(self._store, self._log, self._settings, live)
        acceptors.of()
        return acceptors

    async def _serve_grpc(self, chat: Chat) -> None:
        spans = tracing.spans()
        interceptors: list[Any] = [AuthenticatedReflection(self._authenticator), *([spans.grpc_interceptor()] if spans else [])]
        server = grpc.aio.server(options=OPTIONS, interceptors=interceptors)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        server.add_generic_rpc_handlers((chat.handler(),))
        try:
            server.add_insecure_port(f"{self._settings.host}:{self._settings.stream_port}")
        except RuntimeError as error:
            raise OSError(f"CHAT4ALL_STREAM_PORT: port {self._settings.stream_port} cannot be listened on") from error
        self._let_go.push_async_callback(server.stop, GRACE_S)
        await server.start()
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def _serve_http(self, page: EventsPage) -> None:
        # A reader who goes ends their stream at once.
        runner = web.AppRunner(
            page.app(),
            access_log=None,
            shutdown_timeout=GRACE_S,
            keepalive_timeout=self._times.idle_s,
            handler_cancellation=True,
        )
        self._let_go.push_async_callback(runner.cleanup)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._settings.host, self._settings.events_port, backlog=BACKLOG).start()
        except OSError as error:
            raise OSError(f"CHAT4ALL_EVENTS_PORT: port {self._settings.events_port} cannot be listened on") from error


def check_topics(log: EventLog, store: MessageStore) -> str:
    """The identity of chat-incoming, which cursors carry. Mismatch when log and store do not belong together."""
    for name in (INCOMING, EVENTS, SIGNALS):
        found = log.topic(name)
        kept = store.keep_topic(found)
        if kept != found:
            raise Mismatch("other_topic", f"{name} is not the topic that the store belongs to")
    return log.topic(INCOMING).identity


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises what ended the feed, if that ends first."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    log, store = open_log(settings), open_store(settings)
    with closing(log), closing(store):
        server = StreamServer(settings, log, store)
        await server.start()
        exporter.serve("stream", settings)
        await first_of(stopping, server.failed)
        await server.stop()
        server.failed.result()


async def first_of(wanted: asyncio.Event, ending: "asyncio.Future[None]") -> bool:
    """Wait for either; whether it was the wanted one. `ending` is left as it is."""
    waiting = asyncio.ensure_future(wanted.wait())
    both: list[asyncio.Future[Any]] = [waiting, ending]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return wanted.is_set()


def main() -> None:
    """The process. Ends with status 1 and one line when it cannot serve."""
    configure("stream")
    try:
        settings = load()
        tracing.begin("stream", settings)
        uvloop.run(serve(settings))
        tracing.end()
    except (SettingsError, Failure, OSError) as error:
        log_to.error("stream_ended", why=str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
