"""The gateway's worker and slow clients: two threads, many who hold on to them, and a stranger who is answered all the same."""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from ops.harness.waiting import wait_until
from ops.native.processes import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_S = 5
GET = b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
EMPTY = f"0 {hashlib.sha256().hexdigest()}"


class Server:
    """A gunicorn with one worker of two threads."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.port, self.process = port, process
        self.held: list[socket.socket] = []

    def connect(self, said: bytes = b"", small: bool = False) -> socket.socket:
        """A connection that says this and no more. `small`: it takes little at once."""
        made = socket.socket()
        made.settimeout(PATIENCE_S)
        if small:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.held.append(made)
        made.connect(("127.0.0.1", self.port))
        made.sendall(said)
        return made

    def ask(self, method: str = "GET", path: str = "/quick", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Status and body of one request by a client that behaves."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def cut(self, why: str) -> int:
        """How many connections it says that it has ended for this."""
        return int(self.ask(path=f"/cut?{why}")[1])

    def answers(self) -> bool:
        """Whether it is there."""
        with contextlib.suppress(OSError):
            return self.is_well()
        return False

    def is_well(self) -> bool:
        """Whether a stranger is answered."""
        return self.ask() == (200, EMPTY.encode())


def begun(folder: Path, port: int, **more: str) -> Server:
    """A server that may not answer yet."""
    environment = os.environ | {
        "CHAT4ALL_DATA": str(folder), "CHAT4ALL_GATEWAY_PORT": str(port), "CHAT4ALL_GATEWAY_PROCESSES": "1",
        "CHAT4ALL_GATEWAY_THREADS": "2", "CHAT4ALL_BATCH_BODY_LIMIT": str(1 << 20),
    } | more  # fmt: skip
    command = [sys.executable, "-m", "gunicorn", "-c", "webapp/gunicorn.conf.py", "tests.webapp.slow_app:app"]
    return Server(port, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL))


def ended(server: Server) -> None:
    """Ask it to, and wait."""
    for each in server.held:
        each.close()
    server.process.terminate()
    server.process.wait(20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = begun(tmp_path, free_port())
    wait_until("it answers", made.answers, 30)
    yield made
    ended(made)


def all_of(connection: socket.socket) -> bytes:
    """Everything until the other side closes."""
    told = b""
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(1 << 16):
            told += chunk
    return told


@pytest.mark.parametrize(
    "said", [b"", b"GET /qu", GET[:-2], POST % 100 + b"hel", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"]
)
def test_half_a_request_holds_no_thread_and_ends_in_time(server: Server, said: bytes) -> None:
    """However many there are; who began to speak is told that it took too long, in JSON."""
    held = [server.connect(said) for _ in range(60)]
    assert server.is_well()
    told = all_of(held[0])
    assert (told == b"") if not said else told.startswith(b"HTTP/1.1 408 ")
    if said:
        assert json.loads(told.partition(b"\r\n\r\n")[2])["code"] == "request_too_slow"
        assert server.cut("head_late") + server.cut("body_late") > 0


def test_a_byte_now_and_then_buys_no_time(server: Server) -> None:
    """The time is for the whole head, not for each byte."""
    slow, began = server.connect(b"GET / HTTP/1.1\r\nX: "), time.monotonic()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < began + PATIENCE_S:
            slow.sendall(b"x")
            time.sleep(0.1)
    assert time.monotonic() < began + PATIENCE_S
    assert server.is_well()


def test_an_answer_that_nobody_reads_holds_no_thread(server: Server) -> None:
    """A stranger is answered meanwhile; who reads late, but in time, gets every byte."""
    ask = b"GET /large?3000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    late = server.connect(ask, small=True)
    assert server.is_well()
    assert len(all_of(late).partition(b"\r\n\r\n")[2]) == 3_000_000
    for _ in range(20):
        server.connect(ask, small=True)
    assert server.is_well()


def test_who_does_not_close_holds_nothing(server: Server) -> None:
    """A client that asked for the end of the connection and keeps its own side open."""
    held = [server.connect(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) for _ in range(10)]
    began = time.monotonic()
    assert server.is_well()
    assert time.monotonic() - began < 2
    assert all(EMPTY.encode() in all_of(each) for each in held)


def test_whoever_waits_longest_makes_room(server: Server) -> None:
    """More connections than are kept: the newest are answered."""
    held = [server.connect() for _ in range(200)]
    assert server.is_well()
    assert all_of(held[0]) == b""
    assert server.cut("too_many") >= 50


def test_what_is_held_is_bounded(server: Server) -> None:
    """Half-sent bodies beyond it: those that wait longest go, and a stranger is answered."""
    held = [server.connect(POST % 900_000) for _ in range(20)]
    for each in held:
        with contextlib.suppress(OSError):
            each.sendall(bytes(800_000))
    assert server.is_well()
    assert all_of(held[0]).startswith((b"HTTP/1.1 408 ", b""))


def test_requests_in_one_piece_and_in_many(server: Server) -> None:
    """Pipelined, cut anywhere, chunked, kept alive: each is answered, in order."""
    both = server.connect(GET + POST % 5 + b"hello" + GET[:10])
    time.sleep(0.2)
    both.sendall(GET[10:])
    hello = f"5 {hashlib.sha256(b'hello').hexdigest()}".encode()
    told = b""
    while told.count(b"HTTP/1.1 200") < 3 or not told.endswith(EMPTY.encode()):
        told += both.recv(1 << 16)
    assert told.index(EMPTY.encode()) < told.index(hello) < told.rindex(EMPTY.encode())
    bits = server.connect()
    for byte in b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n":
        bits.sendall(bytes([byte]))
    assert hello in bits.recv(1 << 16)


def test_a_client_that_asks_whether_to_go_on_is_told(server: Server) -> None:
    """Before its body, and once; also where the body is a stream."""
    for size in (5, 2 << 20):
        asking = server.connect((POST % size).replace(b"Host", b"Expect: 100-continue\r\nHost"))
        assert asking.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        asking.sendall(bytes(size))
        assert asking.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")


def test_large_bodies_and_answers_pass(server: Server) -> None:
    """Larger than anything that is held, and several at once."""
    data = os.urandom(5 << 20)
    assert server.ask("POST", "/quick", data) == (200, f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode())
    slow = [
        server.connect(b"GET /objects/large?9000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", small=True)
        for _ in range(3)
    ]
    assert server.is_well()
    assert all(len(all_of(each).partition(b"\r\n\r\n")[2]) in (9_000_000, 0) for each in slow[:1])


def test_streams_that_stand_still_end(server: Server) -> None:
    """A large upload that stops, a large download that nobody reads: the next gets its turn."""
    server.connect(POST % (3 << 20) + b"x")
    server.connect(b"GET /objects/large?90000000 HTTP/1.1\r\nHost: a\r\n\r\n", small=True)
    assert server.is_well()
    data = bytes(2 << 20)
    assert server.ask("POST", "/quick", data)[0] == 200


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "uri_too_long"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, 431, "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"X: b\r\n" * 200 + b"\r\n", 431, "headers_too_large"),
        (b"nonsense\r\n\r\n", 400, "malformed_request"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400, "malformed_request"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: odd\r\n\r\n", 400, "malformed_request"),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            400,
            "malformed_request",
        ),
    ],
)
def test_what_is_no_request_is_told_so_in_json(server: Server, said: bytes, status: int, code: str) -> None:
    """As every other problem."""
    wrong = server.connect(said)
    head, _, body = all_of(wrong).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == code


def test_a_worker_that_ends_lets_nobody_wait(server: Server) -> None:
    """Half a request does not keep it; one that comes on a kept connection meanwhile is answered."""
    server.connect(GET[:9])
    kept = server.connect(GET)
    assert EMPTY.encode() in kept.recv(1 << 16)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    kept.sendall(GET)
    told = kept.recv(1 << 16)
    assert EMPTY.encode() in told
    assert b"onnection: close" in told
    assert server.process.wait(10) == 0


def test_a_worker_that_ends_is_not_waited_for(server: Server) -> None:
    """It answers what it has begun; whoever comes now is refused at once, and waits for nobody."""
    slow = server.connect(b"GET /slow?4 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.5)
    server.process.send_signal(signal.SIGTERM)
    gone_within(server, 2)
    assert EMPTY.encode() in all_of(slow)


def gone_within(server: Server, seconds: float) -> None:
    """Nobody listens at its port any more, so that the next one could."""

    def is_free() -> bool:
        with socket.socket() as next_one:
            next_one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                next_one.bind(("127.0.0.1", server.port))
            except OSError:
                return False
        return True

    wait_until("the port is free", is_free, seconds)


def asks_on(server: Server) -> None:
    """A client that keeps its connection and always has something to ask."""
    kept = server.connect(GET)
    with contextlib.suppress(OSError):
        while kept.recv(1 << 16):
            kept.sendall(GET)


AT_WORK = {
    "a client that asks on and on": asks_on,
    "a request that takes long": lambda server: server.connect(b"GET /slow?30 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a large upload": lambda server: server.connect(POST % (3 << 20) + bytes(1 << 20)),
    "a large download": lambda server: server.connect(b"GET /objects/large?90000000 HTTP/1.1\r\nHost: a\r\n\r\n", True),
    "an answer that nobody reads": lambda server: server.connect(b"GET /large?3000000 HTTP/1.1\r\nHost: a\r\n\r\n", True),
    "half a request": lambda server: server.connect(GET[:9]),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("at", AT_WORK)
def test_a_worker_does_not_outlive_its_master(server: Server, at: str) -> None:
    """Whatever it is at when the master is killed, the port is free for the next gateway, and the worker is gone."""
    threading.Thread(target=AT_WORK[at], args=(server,), daemon=True).start()
    time.sleep(0.5)
    killed(server)


def test_nor_does_a_worker_that_is_not_ready_yet(tmp_path: Path) -> None:
    """The gateway is loaded for as long as a store does not answer: nobody asks for the parent meanwhile."""
    loading = begun(tmp_path, free_port(), SLOW_APP_LOADS_S="30")
    wait_until("it has begun", lambda: bool(psutil.Process(loading.process.pid).children()), 20)
    killed(loading)


def lives(process: psutil.Process) -> bool:
    """Whether it is more than an entry that nobody has taken away yet."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def killed(server: Server) -> None:
    """Kill the master. Its workers go with it, and the port is free."""
    workers = psutil.Process(server.process.pid).children()
    server.process.kill()
    server.process.wait(5)
    try:
        wait_until("the workers are gone", lambda: not any(map(lives, workers)), 3)
        gone_within(server, 1)
    finally:
        for each in workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
