"""Gunicorn's threaded worker, changed so that no thread waits for a slow client.

The poller gathers a request until it is whole, and only then a thread handles it. What the reader of an answer does not take at
once is sent by the poller too. What is kept for clients is bounded in time, number and bytes; the connection that has waited
longest is closed first. Bodies and answers as large as files have a few threads of their own, and a least rate.
"""

import errno
import json
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from gunicorn import http
from gunicorn.http.errors import ExpectationFailed, LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from chat4all.settings import load
from webapp.server.request_buffer import RequestBuffer, Verdict
from webapp.server.sockets import PatientSocket

CHUNK = 64 << 10
# A request's head must be there after so long; its body may take a second more for each so many bytes that have come.
HEAD_S = 10.0
BODY_PER_S = 32 << 10
# An answer must be taken after so long, and a second more for each so many bytes.
TAKE_S = 10.0
TAKE_PER_S = 64 << 10
LINGER_S = 2.0
LINGER_BYTES = 64 << 10
# In one process: connections, and bytes of requests and answers that wait.
CONNECTIONS_MOST = 4000
HELD_MOST = 8 << 20
EXPIRE_EVERY_S = 0.5
QUEUE_S = 20.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
GONE = (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK)

MALFORMED = (400, "malformed_request", "this is not HTTP as it should be")
WRONG = {
    LimitRequestLine: (414, "uri_too_long", "the request line is too long"),
    LimitRequestHeaders: (431, "headers_too_large", "the headers are too large"),
    ExpectationFailed: (417, "expectation_failed", "only Expect: 100-continue is known"),
}
REASONS = {400: "Bad Request", 408: "Request Timeout", 414: "URI Too Long", 417: "Expectation Failed",
           431: "Request Header Fields Too Large", 503: "Service Unavailable"}  # fmt: skip


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A client's connection. `timeout`: when the wait that it is in ends. `counted`: its bytes that are held.

    `begun`: when the time of a request's head is over; that of its body is counted from there.
    """

    sock: PatientSocket

    def __init__(self, cfg: Any, sock: PatientSocket, client: Any, server: Any, most: int) -> None:
        super().__init__(cfg, sock, client, server)
        self.most = most
        self.buffer = RequestBuffer(most)
        self.counted = 0
        self.begun = 0.0
        self.keep = False
        self.late = ""


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """`waiting`: connections that no thread is at, the one that waits longest first."""

    def init_process(self) -> None:
        """In the worker, after the fork. Returns when it ends."""
        # Not in the master, which must not count: the library keeps a file for each process.
        from chat4all.telemetry import metrics  # noqa: PLC0415

        self._cut = metrics.CONNECTIONS_CUT.of
        self._show = metrics.CONNECTIONS.set
        self.worker_connections = 2 * CONNECTIONS_MOST
        self.waiting: dict[Connection, None] = {}
        self.bytes_in_memory = 0
        self._expired_at = 0.0
        self._most = load().batch_body_limit
        self._streams = ThreadPoolExecutor(max(1, self.cfg.threads // 4), thread_name_prefix="stream")
        super().init_process()

    # Coming in.

    def set_accept_enabled(self, enabled: bool) -> None:
        """As gunicorn's; a worker that ends lets go of the port, so that nobody waits at it for one who does not come."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                listener.close()

    def accept(self, listener: Any) -> None:
        """Take a connection; nothing of it is read yet."""
        try:
            taken, client = listener.accept()
        except OSError as error:
            if error.errno in FULL:
                self._cut_first("too_many")
            elif error.errno not in GONE:
                raise
            return
        self.nr_conns += 1
        conn = Connection(self.cfg, PatientSocket(taken), client, listener.getsockname(), self._most)
        self._wait(conn, selectors.EVENT_READ, self._readable, HEAD_S, "head_late")
        self._make_room()

    def _readable(self, conn: Connection) -> None:
        try:
            data = conn.sock.take(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end(conn)
            return
        self._gather(conn, data)

    def _gather(self, conn: Connection, data: bytes) -> None:
        """Take what came of a request that waits."""
        buffer = conn.buffer
        if not buffer.data:
            conn.timeout, conn.late = time.monotonic() + HEAD_S, "head_late"
            conn.begun = conn.timeout
        verdict = buffer.feed(data)
        self._count(conn, len(buffer.data))
        if buffer.expects:
            buffer.expects = False
            self._tell(conn.sock, CONTINUE)
        if verdict is Verdict.MORE:
            self._go_on(conn)
            return
        self._wake(conn)
        if verdict is Verdict.TOO_LARGE:
            self._say(conn.sock, *WRONG[LimitRequestHeaders])
            self._linger(conn)
        elif verdict is Verdict.STREAM:
            conn.timeout = time.monotonic() + QUEUE_S
            self._submit(self._streams, self._stream, conn)
        else:
            self._submit(self.tpool, self.handle, conn)

    def _go_on(self, conn: Connection) -> None:
        if conn.buffer.size:
            conn.timeout, conn.late = conn.begun + len(conn.buffer.data) / BODY_PER_S, "body_late"
        self._make_room()

    # In a thread.

    def handle(self, conn: Connection) -> Any:
        """Answer a request that is whole, or that is a stream."""
        if conn.parser is None:
            conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
            conn.initialized = True
        conn.parser.unreader.unread(bytes(conn.buffer.data))
        conn.buffer = RequestBuffer(self._most)
        keep = super().handle(conn)
        conn.sock.flush()
        return keep

    def _stream(self, conn: Connection) -> Any:
        if time.monotonic() > conn.timeout:
            self._say(conn.sock, 503, "busy", "too many large transfers at once; try again", {"Retry-After": "5"})
            return False
        conn.sock.stream()
        try:
            return self.handle(conn)
        finally:
            conn.sock.streamed = False

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        """What is no request is told so in JSON, as everything else."""
        if isinstance(exc, ParseException):
            wrong = next((verdict for kind, verdict in WRONG.items() if isinstance(exc, kind)), MALFORMED)
            self._say(client, *wrong)
        else:
            super().handle_error(req, client, addr, exc)

    def _say(self, sock: PatientSocket, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        title = REASONS[status]
        body = {"type": f"urn:chat4all:problem:{code}", "title": title, "status": status, "code": code, "detail": detail}
        text = json.dumps(body).encode()
        shown = {"Content-Type": "application/problem+json", "Content-Length": str(len(text)), "Connection": "close"}
        lines = [f"HTTP/1.1 {status} {title}", *(f"{name}: {value}" for name, value in (shown | (headers or {})).items())]
        self._tell(sock, "\r\n".join([*lines, "", ""]).encode() + text)

    def _tell(self, sock: PatientSocket, said: bytes) -> None:
        try:
            sock.sendall(said)
            sock.flush()
        except OSError:
            self.log.debug("the client is gone")

    # Going out.

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[[Connection], Any], conn: Connection) -> None:
        pool.submit(work, conn).add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def finish_request(self, conn: Connection, fs: "Future[Any]") -> None:
        """A thread is done with it. Called by the poller."""
        try:
            conn.keep = bool(fs.result())
        except Exception:  # noqa: BLE001 - whatever it was is logged where it was; the connection is of no use
            self._end(conn)
            return
        self._count(conn, len(conn.sock.left))
        if conn.sock.left:
            seconds = TAKE_S + len(conn.sock.left) / TAKE_PER_S
            self._wait(conn, selectors.EVENT_WRITE, self._writable, seconds, "not_taken")
            self._make_room()
        else:
            self._next(conn)

    def _writable(self, conn: Connection) -> None:
        try:
            gone = conn.sock.flush()
        except OSError:
            self._end(conn)
            return
        self._count(conn, len(conn.sock.left))
        if gone:
            self._wake(conn)
            self._next(conn)

    def _next(self, conn: Connection) -> None:
        """An answer has gone: the next request, or none."""
        if not conn.keep:
            self._linger(conn)
            return
        rest = conn.parser.unreader.take_buffered()
        self._wait(conn, selectors.EVENT_READ, self._readable, self.cfg.keepalive if self.alive else LINGER_S, "")
        if rest:
            self._gather(conn, rest)

    def _linger(self, conn: Connection) -> None:
        """Close our side, and read a little of what still comes, so that the answer is not lost with it."""
        conn.keep, conn.buffer = False, RequestBuffer(self._most)
        if conn.sock.left:
            self._wait(conn, selectors.EVENT_WRITE, self._writable, TAKE_S, "not_taken")
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(conn)
            return
        conn.most = LINGER_BYTES
        self._wait(conn, selectors.EVENT_READ, self._drain, LINGER_S, "")

    def _drain(self, conn: Connection) -> None:
        try:
            data = conn.sock.take(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        conn.most -= len(data)
        if not data or conn.most < 0:
            self._end(conn)

    # Waiting.

    def _wait(self, conn: Connection, event: int, ready: Callable[[Connection], None], seconds: float, late: str) -> None:
        conn.timeout, conn.late = time.monotonic() + seconds, late
        self.waiting[conn] = None
        self.poller.register(conn.sock, event, partial(_call, ready, conn))

    def _wake(self, conn: Connection) -> None:
        """It waits no longer."""
        del self.waiting[conn]
        self.poller.unregister(conn.sock)

    def _count(self, conn: Connection, size: int) -> None:
        self.bytes_in_memory += size - conn.counted
        conn.counted = size

    def _end(self, conn: Connection) -> None:
        if conn in self.waiting:
            self._wake(conn)
        self._count(conn, 0)
        self.nr_conns -= 1
        conn.close()

    def _cut_off(self, conn: Connection, why: str) -> None:
        """End a wait that is over, and say so where somebody listens for an answer."""
        if why:
            self._cut(why).add()
        if why in ("head_late", "body_late") and conn.buffer.data:
            self._say(conn.sock, 408, "request_too_slow", "the request did not come in time")
        self._end(conn)

    def _cut_first(self, why: str) -> None:
        if self.waiting:
            self._cut_off(next(iter(self.waiting)), why)

    def _make_room(self) -> None:
        """Keep within bounds: those who wait longest go first, and of bytes those who hold some."""
        while self.nr_conns > CONNECTIONS_MOST and self.waiting:
            self._cut_first("too_many")
        while self.bytes_in_memory > HELD_MOST and (holder := next((each for each in self.waiting if each.counted), None)):
            self._cut_off(holder, "too_much")

    def murder_keepalived(self, force: bool = False) -> None:
        """End the waits that are over; all of them by `force`. Called by the loop, at its every turn."""
        now = time.monotonic()
        if not force and now < self._expired_at + EXPIRE_EVERY_S:
            return
        self._expired_at = now
        self._show(self.nr_conns)
        for conn in [each for each in self.waiting if force or each.timeout < now]:
            self._cut_off(conn, "" if force else conn.late)

    def murder_pending(self) -> None:
        """Nothing of its own: all who wait are in `waiting`."""

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker ends: nobody waits beyond that."""
        for conn in self.waiting:
            conn.timeout = min(conn.timeout, deadline)


def _call(ready: Callable[[Connection], None], conn: Connection, _fileobj: Any) -> None:
    ready(conn)
