"""The simulator's HTTP server. Its first path segment says who is called: a provider, control, or the phones page."""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from chat4all.settings import Settings
from chat4all.telemetry import logs
from ops.simulator.behaviour import Behaviour
from ops.simulator.channel import Dropped, SimulatedChannel
from ops.simulator.control import Control, Wrong, encode
from ops.simulator.feed import Feed
from ops.simulator.media import is_shown
from ops.simulator.model import Answer, Arrival, Call, Clock, Said
from ops.simulator.providers import open_providers
from ops.simulator.record import Record

LARGEST_CALL = 128 << 20
PHONES = Path(__file__).with_name("phones.html")

_log = logs.logger(__name__)


class Simulator:
    """All providers in one process. `gateway_url` and `port` are given by tests that choose their own."""

    def __init__(self, settings: Settings, gateway_url: str = "") -> None:
        self._settings = settings
        self.record = Record(settings.data / "simulator")
        self.feed = Feed()
        base, clock = gateway_url or settings.gateway_url, Clock()
        usual = Behaviour(window="refused" if settings.simulated_windows else "off")
        self.channels = {
            name: SimulatedChannel(provider, self.record, f"{base}/channels/{name}/webhook", self.feed.show, clock, usual)
            for name, provider in open_providers(settings, clock).items()
        }
        self.control = Control(self.channels, self.record, self.feed, clock)
        self._runner: web.ServerRunner | None = None

    async def start(self, port: int | None = None) -> int:
        """Listen; the port that was taken (0 chooses a free one)."""
        for simulated in self.channels.values():
            simulated.start()
        # The low-level server: no routes, no middleware. It is called for every message of every load test.
        server = web.Server(self._handle, request_factory=_large, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1)
        await self._runner.setup()
        wanted = self._settings.simulator_port if port is None else port
        site = web.TCPSite(self._runner, self._settings.host, wanted, backlog=1024)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening and telling."""
        if self._runner is not None:
            await self._runner.cleanup()
        for simulated in self.channels.values():
            await simulated.close()
        self.record.close()

    async def _handle(self, request: BaseRequest) -> web.StreamResponse:
        body = await request.read()
        first, *path = request.path.lstrip("/").split("/")
        simulated = self.channels.get(first)
        try:
            if simulated is not None:
                place = tuple(each for each in path if each)
                return _response(await simulated.call(Call(request.method, place, request.headers, request.query, body)))
            if first == "control":
                return _response(self.control.call(request.method, "/".join(path), request.query, body))
        except Wrong as wrong:
            return _response(Answer(encode({"error": str(wrong)}), 422))
        except Dropped:
            return _drop(request)
        return await self._page(request, first, path)

    async def _page(self, request: BaseRequest, first: str, path: list[str]) -> web.StreamResponse:
        if first in {"", "healthz"}:
            return _response(Answer(b'{"status":"ok","phones":"/phones"}'))
        if first == "phones" and path == ["events"]:
            return await self._events(request)
        if first == "phones" and path[:1] == ["pictures"] and len(path) == 3:
            return self._picture(*path[1:])
        if first == "phones":
            return web.Response(body=PHONES.read_bytes(), content_type="text/html", charset="utf-8")
        return _response(Answer(b'{"error":"nothing here"}', 404))

    def _picture(self, channel: str, name: str) -> web.Response:
        """A picture or a sound that was sent to a person, by the message's id, or by a person, by the file's."""
        simulated = self.channels.get(channel)
        attached = simulated.provider.media_store.known(name) if simulated else None
        found = simulated.gallery.get(name) if simulated else None
        if simulated and attached:
            found = attached.mime_type, simulated.provider.media_store.content(name) or b""
        if found is None or not is_shown(found[0]):
            return web.Response(status=404)
        headers = {"Content-Type": found[0], "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return web.Response(body=found[1], headers=headers)

    async def _events(self, request: BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        known: list[Arrival | Said] = [
            *self.record.sent(),
            *(said for each in self.channels.values() for said in each.said),
        ]
        async with contextlib.aclosing(self.feed.events(known)) as events:
            with contextlib.suppress(ConnectionError):
                async for event in events:
                    await response.write(event)
        return response


def _large(message: Any, payload: Any, protocol: Any, writer: Any, task: "asyncio.Task[None]") -> BaseRequest:
    """A request that may bring the largest file that a provider takes by upload."""
    return BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=LARGEST_CALL)


def _response(answer: Answer) -> web.Response:
    headers: Mapping[str, str] = {"Content-Type": "application/json", **answer.headers}
    return web.Response(body=answer.body, status=answer.status, headers=headers)


def _drop(request: BaseRequest) -> web.Response:
    """Close the connection in the caller's face."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def serve(settings: Settings) -> None:
    """Run until cancelled."""
    simulator = Simulator(settings)
    port = await simulator.start()
    _log.info("simulator_listening", port=port, arrivals=len(simulator.record))
    try:
        await asyncio.Event().wait()
    finally:
        await simulator.close()
