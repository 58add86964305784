"""GET /v1/events: the stream as Server-Sent Events. The same events and cursors as gRPC; `Last-Event-ID` or `cursor` resumes.
`all=true`: every conversation. `ticket`: in place of a header, which a browser's EventSource cannot send.

    id: <cursor>
    event: message
    data: {"message_id": …}

A block with an id alone says where the reader is. A comment every 15 s keeps proxies from closing a quiet stream.
"""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from aiohttp import web

from bridges.streaming.authentication import AuthenticatedCaller, Authenticator, MustEnd, NotAdmitted, WorkspaceClosed
from bridges.streaming.cursor import Cursor
from bridges.streaming.frames import Frame
from bridges.streaming.sessions import Closing, CutOff, NotAllowed, Sessions, left
from bridges.streaming.stream_metrics import Streams
from bridges.streaming.times import TIMES, Times
from chat4all.model.cors import SAFE, console_origin, cross_origin
from chat4all.model.event_json import event_json
from chat4all.model.failures import Temporary, Unknown
from chat4all.services.access.rate_limits import TooMany
from chat4all.telemetry import metrics

METHODS = "GET, HEAD, OPTIONS"
# A comment so often keeps proxies from closing a quiet stream.
SILENCE_S = 30.0
TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    429: "Too many requests",
    503: "Unavailable",
}
HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventsPage:
    """Serves streams over HTTP. `log` is the identity of the log that cursors belong to."""

    def __init__(
        self,
        sessions: Sessions,
        authenticator: Authenticator,
        log: str,
        cors_origins: frozenset[str] = frozenset(),
        times: Times = TIMES,
        gateway_port: int = 0,
    ) -> None:
        self._sessions, self._times = sessions, times
        self._origins, self._gateway_port = cors_origins, gateway_port
        self._authenticator = authenticator
        self._log = log
        self._streams = Streams("sse")

    def app(self) -> web.Application:
        """The HTTP application."""
        app = web.Application()
        app.router.add_get("/v1/events", self.events)
        app.router.add_get("/healthz", self.health)
        app.router.add_options("/v1/events", self.options)
        app.on_response_prepare.append(self._head)
        return app

    async def options(self, _request: web.Request) -> web.Response:
        """What a browser asks before it calls: it has no token with it."""
        return web.Response(status=204, headers={"Allow": METHODS})

    async def _head(self, request: web.Request, response: web.StreamResponse) -> None:
        methods = METHODS if request.method == "OPTIONS" else ""
        # The console is a page of the gateway, which is asked at another port of the same host where nothing stands in front.
        allowed = self._origins | {console_origin(request.host, self._gateway_port)} if self._gateway_port else self._origins
        cors_headers = cross_origin(request.headers.get("Origin", ""), allowed, methods)
        response.headers.update({**SAFE, **cors_headers})

    async def health(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return web.json_response({"status": "ok"})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The caller's events from Last-Event-ID on, until either side goes or the token ends."""
        try:
            authenticated = await self._admitted(request)
            begun = self._begun(request, authenticated)
        except NotAdmitted as error:
            return _not_admitted(error)
        except NotAllowed as error:
            return _problem(403, "scope_needed", str(error))
        except TooMany as error:
            return _problem(429, "rate_limited", str(error), {"Retry-After": str(error.retry_after)})
        except (Temporary, Unknown) as error:
            return _problem(503, "unavailable", error.reason, {"Retry-After": "1"})
        except ValueError as error:
            return _problem(400, "bad_cursor", str(error))
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        _notice_silence(request)
        with suppress(ConnectionError), self._streams.one():
            await self._serve(response, authenticated, begun)
        return response

    async def _admitted(self, request: web.Request) -> AuthenticatedCaller:
        """Who asks: by their Authorization, or by a ticket in the URL. A token in the URL is none: URLs are kept by others."""
        authorization, tickets = request.headers.get("Authorization", ""), request.query.getall("ticket", [])
        if not tickets:
            return await self._authenticator.stream(authorization)
        if authorization or len(tickets) > 1:
            raise NotAdmitted("token_invalid", "either Authorization or one ticket is needed")
        return await self._authenticator.ticket(tickets[0])

    def _begun(self, request: web.Request, authenticated: AuthenticatedCaller) -> AsyncGenerator[Frame]:
        """The stream that is asked for. NotAllowed, or ValueError for a cursor or a flag that makes no sense."""
        everything = request.query.get("all", "false")
        if everything not in ("true", "false"):
            raise ValueError("all: true or false")
        kept = request.headers.get("Last-Event-ID") or request.query.get("cursor", "")
        return self._sessions.of(authenticated.caller, Cursor.decode(kept, self._log), everything == "true")

    async def _serve(
        self, response: web.StreamResponse, authenticated: AuthenticatedCaller, begun: AsyncGenerator[Frame]
    ) -> None:
        """Write until the stream ends; its last comment says why."""
        beating = asyncio.create_task(_beat(response, self._times.heartbeat_s))
        if serving := asyncio.current_task():
            # A reader who is gone is noticed by the beat, not only when there is something to tell.
            beating.add_done_callback(lambda beat: beat.cancelled() or serving.cancel())
        try:
            async with (
                self._authenticator.hold(authenticated),
                aclosing(begun) as frames,
            ):
                await self._write_all(response, frames)
        except MustEnd as end:
            self._streams.cut_off(end.code)
            await response.write(b": %s\n\n" % str(end).encode())
        except CutOff:
            self._streams.cut_off("too_slow")
            await response.write(b": too slow; resume with the last id\n\n")
        except (Closing, Temporary):
            self._streams.cut_off("unavailable")
            await response.write(b": not available; resume with the last id\n\n")
        finally:
            beating.cancel()

    async def _write_all(self, response: web.StreamResponse, frames: AsyncGenerator[Frame]) -> None:
        async for frame in frames:
            text = blocks(frame)
            try:
                async with asyncio.timeout(self._times.write_s) as limit:
                    await response.write(text)
                self._streams.sent(len(frame.events))
            except TimeoutError:
                if limit.expired():
                    raise CutOff from None
                raise
            left(frame, "sse")


def blocks(frame: Frame) -> bytes:
    """Server-Sent Events of one step; of a step without events its cursor alone."""
    parts = []
    for event, cursor in frame.each():
        event.json = event.json or event_json(event.body)
        parts.append(b"id: %s\nevent: %s\ndata: %s\n\n" % (cursor.encode(), event.kind.encode(), event.json))
    return b"".join(parts) or b"id: %s\n\n" % frame.cursor.encode().encode()


async def _beat(response: web.StreamResponse, every_s: float) -> None:
    with suppress(ConnectionError):
        while True:
            await asyncio.sleep(every_s)
            await response.write(b": here\n\n")


def _notice_silence(request: web.Request) -> None:
    """A reader whose network went away acknowledges nothing: the system then ends the connection, and the next beat fails."""
    connection = request.transport and request.transport.get_extra_info("socket")
    if connection and hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SILENCE_S * 1000))


def _not_admitted(error: NotAdmitted) -> web.Response:
    if isinstance(error, WorkspaceClosed):
        return _problem(403, error.code, str(error))
    return _problem(401, error.code, str(error), {"WWW-Authenticate": "Bearer"})


def _problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    metrics.REQUESTS_REFUSED.of_reason(code).add()
    title = TITLES[status]
    body = {"type": f"urn:chat4all:problem:{code}", "title": title, "status": status, "code": code, "detail": detail}
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json", headers=headers)
