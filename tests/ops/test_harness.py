"""The harness, against small servers of the test's own: what it asks, believes and tells."""

import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import grpc
import pytest
import redis
from supervisor.xmlrpc import Faults

from chat4all.ports.accounts import ConnectedAccount
from chat4all.settings import Settings
from chat4all.v1 import chat_pb2 as pb
from chat4all.v1 import chat_pb2_grpc
from ops.harness import broker, spawning
from ops.harness import servers as real
from ops.harness.guard import RealPeople, refuse_connected, refuse_real
from ops.harness.phones import Phones
from ops.harness.place import Here, new_operator
from ops.harness.readers import Readers
from ops.harness.supervisor import Supervised
from ops.harness.system import System
from ops.harness.waiting import wait_until
from ops.native.processes import Server, StartFailed, free_ports
from ops.native.redis import Redis
from storage.open import open_store
from tests.ops.serving import served
from tests.ops.test_harness_api import Gateway

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


class Quiet(SimpleXMLRPCRequestHandler):
    rpc_paths = ("/", "/RPC2")
    disable_nagle_algorithm = False

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def address_string(self) -> str:
        return "socket"


class Supervisor(socketserver.UnixStreamServer, SimpleXMLRPCDispatcher):
    """A supervisor with parts: each a process that sleeps, or none. `dead`: parts that it cannot stop yet."""

    def __init__(self, path: Path) -> None:
        self.processes: dict[str, subprocess.Popen[bytes] | None] = {}
        self.dead: list[str] = []
        self.logRequests = False
        SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        socketserver.UnixStreamServer.__init__(self, str(path), Quiet)
        for name in ("getState", "getAllProcessInfo", "stopProcess", "startProcess"):
            self.register_function(getattr(self, name), f"supervisor.{name}")

    def getState(self) -> dict[str, int]:  # noqa: N802
        return {"statecode": 1}

    def getAllProcessInfo(self) -> list[dict[str, Any]]:  # noqa: N802
        return [
            {"name": name, "group": "all", "pid": each.pid if each else 0, "statename": "RUNNING" if each else "STOPPED"}
            for name, each in self.processes.items()
        ]

    def stopProcess(self, name: str) -> bool:  # noqa: N802
        part = name.partition(":")[2]
        process = self.processes[part]
        if part in self.dead:
            self.dead.remove(part)
            raise Fault(Faults.NOT_RUNNING, "died")
        if process is None:
            raise Fault(Faults.NOT_RUNNING, "stopped")
        end(process)
        self.processes[part] = None
        return True

    def startProcess(self, name: str) -> bool:  # noqa: N802
        part = name.partition(":")[2]
        if part not in self.processes:
            raise Fault(Faults.BAD_NAME, part)
        self.processes[part] = subprocess.Popen(SLEEPS)
        return True


def end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "supervisor.sock")
    made.processes |= {"bridge": subprocess.Popen(SLEEPS), "stream": None}
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()
    for each in made.processes.values():
        if each:
            end(each)


def test_parts_are_killed_frozen_and_counted(supervisor: Supervisor, tmp_path: Path) -> None:
    """By the pid that the supervisor names; what has no process is no pid 0, which would be all of ours."""
    parts = Supervised(tmp_path)
    bridge = supervisor.processes["bridge"]
    assert bridge is not None
    assert parts.answers()
    assert parts.pids() == {"bridge": bridge.pid, "stream": 0}
    parts.freeze("bridge")
    wait_until("it stands still", lambda: _state(bridge.pid) == "T", 10, 0.01)
    parts.thaw("bridge")
    wait_until("it goes on", lambda: _state(bridge.pid) != "T", 10, 0.01)
    assert parts.kill9("bridge") == bridge.pid
    assert bridge.wait(5) == -signal.SIGKILL
    assert parts.kills == {"bridge": 1}
    with pytest.raises(ProcessLookupError, match="stream"):
        parts.kill9("stream")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().split()[2]


def test_a_part_is_halted_also_while_it_dies(supervisor: Supervisor, tmp_path: Path) -> None:
    """One that has just died is asked again until it is stopped; one that is stopped already is; another fault is told."""
    parts = Supervised(tmp_path)
    supervisor.dead.append("bridge")
    parts.halt("bridge")
    assert parts.parts() == {"bridge": "STOPPED", "stream": "STOPPED"}
    parts.halt("stream")
    parts.go_on("stream")
    assert parts.wait_restarted("stream", 0) == parts.pid("stream") > 0
    with pytest.raises(TimeoutError, match="bridge"):
        parts.wait_restarted("bridge", 0, patience_s=0.2)
    supervisor.processes.pop("bridge")
    with pytest.raises(StopIteration):
        parts.go_on("bridge")


def test_nobody_answers_where_there_is_no_supervisor(tmp_path: Path) -> None:
    """Without a socket it is not there, and that is no error."""
    assert not Supervised(tmp_path).answers()


def test_waiting_has_an_end() -> None:
    """It takes as long as the answer takes; an answer that does not come is a TimeoutError that says what was waited for."""
    asked: list[int] = []
    assert wait_until("three", lambda: asked.append(1) or len(asked) == 3, 5, 0.001) < 5  # type: ignore[func-returns-value]
    with pytest.raises(TimeoutError, match="not within 0 s: it rains"):
        wait_until("it rains", lambda: False, 0.01, 0.001)


def test_real_people_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated channels pass; one with credentials of its own is named, and nothing begins."""
    refuse_real(Settings(data=tmp_path))
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "12345:real")
    with pytest.raises(RealPeople, match="telegram has real credentials"):
        refuse_real(Settings(data=tmp_path))


def test_accounts_that_were_connected_are_real_people(tmp_path: Path) -> None:
    """An account in use is named by its channel, a paused one too; a removed one reaches nobody."""
    settings = Settings(data=tmp_path)
    with closing(open_store(settings)) as store:
        store.migrate()
        refuse_connected(settings)
        for number, (state, is_refused) in enumerate([("active", True), ("paused", True), ("removed", False)]):
            assert store.put_account(ConnectedAccount("wa", "whatsapp", "1", state=state), number)
            with pytest.raises(RealPeople, match="whatsapp") if is_refused else nullcontext():
                refuse_connected(settings)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with served(Gateway()) as made:
        yield made


def _system(gateway: Gateway, data: Path) -> System:
    ports = {"CHAT4ALL_GATEWAY_PORT": str(gateway.server_port), "CHAT4ALL_SIMULATOR_PORT": str(gateway.server_port)}
    return System(data, ports)


def test_phones_ask_the_control_side(gateway: Gateway) -> None:
    """Each call has its own path; what is refused is an error."""
    phones = Phones(f"http://127.0.0.1:{gateway.server_port}")
    gateway.answers += [(200, {"sent": [{"text": "a"}]}), (202, {"id": "1"}), (200, {}), (200, {"whatsapp": {}}), (200, {})]
    assert phones.sent("whatsapp", "+1", 5) == [{"text": "a"}]
    assert phones.write("whatsapp", "+1", "hello", name="Ana") == {"id": "1"}
    phones.behave("whatsapp", delay_ms=5)
    assert phones.stats() == {"whatsapp": {}}
    gateway.answers.pop(0)
    gateway.answers.append((400, {"detail": "no"}))
    with pytest.raises(OSError, match="400"):
        phones.stats()
    phones.forget()
    phones.close()
    assert gateway.asked[-1][:2] == ("DELETE", "/control")
    assert [path for _, path, _ in gateway.asked[:4]] == [
        "/control/sent?channel=whatsapp&to=%2B1&after=5", "/control/inbound", "/control/behaviour", "/control/stats",
    ]  # fmt: skip
    assert gateway.asked[1][2] == {"channel": "whatsapp", "from": "+1", "text": "hello", "name": "Ana"}
    assert gateway.asked[2][2] == {"channel": "whatsapp", "delay_ms": 5}


def test_people_are_made_or_found(gateway: Gateway, tmp_path: Path) -> None:
    """Who is there already (409) is logged in; a wrong password leaves no connection behind."""
    system = _system(gateway, tmp_path)
    gateway.answers += [(409, {}), (200, {"access_token": "t1"})]
    with system.register("ana") as ana:
        assert ana.token == "t1"
        assert system.stream_target.endswith(str(system.settings.stream_port))
    gateway.answers.append((401, {}))
    with pytest.raises(Exception, match="401"):
        system.login("ana", "a guess")
    (tmp_path / "demo.json").write_text(json.dumps({"demo": "secret"}))
    gateway.answers.append((200, {"access_token": "t2"}))
    system.operator().close()
    assert gateway.asked[-1][2] == {"client_id": "demo", "client_secret": "secret"}
    assert gateway.is_left_alone()


def test_an_operator_of_our_own_is_made_in_the_store(gateway: Gateway, tmp_path: Path) -> None:
    """With a secret that fits what the store keeps; people are registered in its name."""
    system = _system(gateway, tmp_path)
    with closing(open_store(system.settings)) as store:
        store.migrate()
    gateway.answers += [(200, {"access_token": "op"}), (201, {}), (200, {"access_token": "ana"})]
    here = Here(system)
    assert here.register("ana").token == "ana"
    assert here.operator().token == "op"
    login, made, _ = gateway.asked
    assert login[2]["client_id"].startswith("demo-") and login[2]["client_secret"]
    assert (made[1], made[2]["user_id"]) == ("/v1/users", "ana")
    gateway.answers.append((200, {"access_token": "other"}))
    with new_operator(system, "faults"):
        assert gateway.asked[-1][2]["client_id"].startswith("faults-")


STARTS = "import sys, signal as s, time; s.signal(s.SIGTERM, lambda *_: sys.exit(0)); print('begun', flush=True); time.sleep(9)"


def test_a_system_is_started_asked_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has ports and data of its own; what does not answer is named with what was printed, and then nothing is left."""
    monkeypatch.setattr("ops.harness.system.sys.executable", str(_script(tmp_path, STARTS)))
    silent: list[str] = []

    def answers(_settings: Settings, _parts: Sequence[object], alive: Callable[[], bool]) -> list[str]:
        wait_until("it has printed", lambda: "begun" in (tmp_path / "data" / "start.log").read_text(), 20)
        assert alive()
        return silent

    monkeypatch.setattr("ops.harness.system.wait", answers)
    own = System(tmp_path / "data", {"CHAT4ALL_LOG": "sqlite:other"})
    assert own.settings.log == "sqlite:other"
    assert len({getattr(own.settings, name) for name in ("gateway_port", "stream_port", "events_port", "objects_port")}) == 4
    with pytest.raises(RuntimeError, match="not started"):
        own.wait_ready()
    with own:
        process = own._process
        assert process is not None and process.poll() is None
    assert process.poll() == 0
    own.stop()
    silent.append("bridge")
    with pytest.raises(RuntimeError, match=r"no answer from bridge; it said:\nbegun"), own:
        pytest.fail("it was not ready")
    assert own._process is None


def _script(folder: Path, code: str) -> Path:
    """A Python that runs this, whatever it is asked to run."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}"\n')
    path.chmod(0o755)
    return path


def test_ports_are_different() -> None:
    """All are free at once, so none is handed out twice."""
    ports = free_ports(20)
    assert len(set(ports)) == 20
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", ports[0]))


def test_a_further_process_is_started_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a name of its own, with a log of its own; one that does not hear is killed."""
    settings = Settings(data=tmp_path)
    (tmp_path / "logs").mkdir()
    deaf = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print(sys.argv[1:], flush=True); time.sleep(60)"

    class Part:
        name = "worker-channels"

        def command(self, _settings: Settings) -> list[str]:
            return [sys.executable, "-c", deaf, "-n", "channels@%h"]

    monkeypatch.setattr(spawning, "parts_of", lambda _settings: [Part()])
    process = spawning.spawn(settings, os.environ, "worker-channels", "second")
    said = spawning.log_of(settings, "worker-channels", "second")
    wait_until("it has printed", lambda: "second@%h" in said.read_text(), 20)
    spawning.end(process, within_s=0.3)
    assert process.returncode == -signal.SIGKILL


class Chat(chat_pb2_grpc.ChatServicer):
    """Streams what stands in `frames`, then holds the stream, or ends it once (`breaks`). Keeps what is acknowledged."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.cursors: list[str] = []
        self.acknowledged: list[tuple[str, int]] = []
        self.breaks = 0
        self.refusals = 0

    def Stream(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        self.cursors.append(request.cursor)
        context.send_initial_metadata(())
        yield from (each for each in self.frames if each.cursor > request.cursor)
        if self.breaks:
            self.breaks -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "later")
        while context.is_active():
            time.sleep(0.01)

    def Acknowledge(self, request: Any, context: Any) -> Any:  # noqa: N802
        if self.refusals:
            self.refusals -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "later")
        self.acknowledged.append((request.conversation_id, request.up_to))
        return pb.AcknowledgeResponse()


@pytest.fixture
def chat() -> Iterator[tuple[Chat, str]]:
    made = Chat()
    server = grpc.server(ThreadPoolExecutor(4))
    chat_pb2_grpc.add_ChatServicer_to_server(made, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made, f"127.0.0.1:{port}"
    server.stop(0).wait()


def frame(cursor: str, *events: Any) -> Any:
    return pb.Events(cursor=cursor, events=events)


def message(seq: int, sender: str = "bob") -> Any:
    said = pb.MessageEvent(conversation_id="c", seq=seq, message_id=f"m{seq}", text="hi", sender=sender)
    return pb.Event(event_id=f"e{seq}", message=said)


def test_a_reader_notes_all_and_resumes_where_it_was(chat: tuple[Chat, str]) -> None:
    """Messages, states and positions; after a break it asks for what came after its cursor; what others wrote is
    acknowledged, again where the server was away.
    """
    server, target = chat
    state = pb.Event(event_id="d7:SENT")
    state.state.message_id, state.state.recipient, state.state.channel, state.state.state = "m1", "p", "whatsapp", "SENT"
    place = pb.Event(event_id="p")
    place.position.conversation_id, place.position.user_id, place.position.read_up_to = "c", "bob", 1
    server.frames = [frame("1", message(1), message(2, "amy")), frame("2", state, place)]
    server.breaks, server.refusals = 1, 1
    with Readers({"amy": "token"}, target) as readers:
        wait_until("it has resumed", lambda: len(server.cursors) == 2 and bool(server.acknowledged), 10, 0.01)
        [amy] = readers.each
        assert [each.message_id for each in readers.seen()] == ["m1", "m2"]
        assert [each.seq for each in readers.seen(lambda each: each.seq > 1)] == [2]
        assert [(who, each.state, each.delivery) for who, each in readers.states()] == [("amy", "SENT", "d7")]
        assert [(who, each.user, each.read) for who, each in readers.positions()] == [("amy", "bob", 1)]
        assert [(each.cursor, each.seen, each.states) for each in amy.marks] == [("1", 2, 0), ("2", 2, 1)]
    assert (server.cursors, amy.resumed) == (["", "2"], 2)
    assert server.acknowledged == [("c", 1)]


def test_a_stream_that_does_not_come_is_told() -> None:
    """Whoever has no stream in time is named."""
    readers = Readers({"amy": "token"}, "127.0.0.1:1", patience_s=0.05)
    with pytest.raises(TimeoutError, match="no stream for amy"):
        readers.__enter__()
    readers.__exit__()


class Sleeper(Server):
    """Programs that sleep, in the real ones' place."""

    name = "sleeper"
    installed = True

    @classmethod
    def is_installed(cls, home: Path) -> bool:
        return cls.installed

    def command(self) -> list[str]:
        return SLEEPS

    def answers(self) -> bool:
        return self.is_running


class Absent(Sleeper):
    """One that nobody has installed."""

    installed = False


def test_what_is_not_installed_is_named() -> None:
    """With the command that installs it."""
    with pytest.raises(real.NotInstalled, match=r"not installed: sleeper; see python -m ops\.native install"):
        real.require((Absent,))


def test_servers_end_with_the_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever starts them arranges for their end first: also of those that did not come up, and of their data."""
    ends: list[Callable[[], None]] = []
    monkeypatch.setattr("atexit.register", lambda act, *given: ends.append(lambda: act(*given)))
    servers = [Sleeper(tmp_path, tmp_path / f"{n}", port) for n, port in enumerate(free_ports(2))]

    def start() -> None:
        servers[0].start()
        raise StartFailed("the second did not come up")

    with pytest.raises(StartFailed):
        real._start(tmp_path, servers, start)
    assert [each.is_running for each in servers] == [True, False]
    ends[0]()
    assert not any(each.is_running for each in servers)
    assert not tmp_path.exists()
    tmp_path.mkdir()


def test_each_system_has_topics_tables_and_a_bucket_of_its_own() -> None:
    """On servers that all share; secrets are passed on."""
    env = {
        "CHAT4ALL_LOG": "kafka://a?replication=3",
        "CHAT4ALL_STORE": "cassandra://b/chat4all",
        "CHAT4ALL_OBJECTS": "s3://c/chat4all",
        "CHAT4ALL_SECRET_JWT": "x",
        "MINIO_ACCESS_KEY": "y",
    }
    servers = real.Servers({}, (), env)
    place = servers.place("t1")
    assert place["CHAT4ALL_LOG"] == "kafka://a?replication=3&prefix=t1-"
    assert (place["CHAT4ALL_STORE"], place["CHAT4ALL_OBJECTS"]) == ("cassandra://b/t1", "s3://c/t1")
    assert servers.secrets == {"CHAT4ALL_SECRET_JWT": "x", "MINIO_ACCESS_KEY": "y"}


def test_servers_are_made_alone_and_in_threes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One of each; or three brokers and three nodes, of everything three copies, the first of them by name."""
    monkeypatch.setattr(real, "require", lambda: tmp_path)
    monkeypatch.setattr(real, "_folder", lambda: tmp_path / "data")
    monkeypatch.setattr(real, "_start", lambda *_: None)
    one, three = real.single.__wrapped__(), real.replicated.__wrapped__()
    assert set(one.each) == set(three.each) == {"kafka", "cassandra", "rabbitmq", "minio"}
    assert (len(one.all), len(three.all)) == (4, 8)
    assert three.env["CHAT4ALL_LOG"].count("127.0.0.1:") == 3
    assert three.env["CHAT4ALL_STORE"].endswith("/chat4all?replication=3")


def test_what_a_stack_says_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later system of the same process is not told of servers that it was not to use."""
    monkeypatch.setenv("MINIO_SECRET_KEY", "before")
    monkeypatch.delenv("MINIO_ENDPOINT", raising=False)
    with real.environment({"MINIO_SECRET_KEY": "inside", "MINIO_ENDPOINT": "minio:9000"}):
        assert (os.environ["MINIO_SECRET_KEY"], os.environ["MINIO_ENDPOINT"]) == ("inside", "minio:9000")
    assert (os.environ["MINIO_SECRET_KEY"], "MINIO_ENDPOINT" in os.environ) == ("before", False)


def test_a_broker_loses_what_it_holds(tmp_path: Path) -> None:
    """Deleted queues leave what is no queue; a wipe leaves nothing. Neither needs the queues to be there."""
    server = Redis(tmp_path, tmp_path / "redis", free_ports(1)[0])
    url = f"redis://{server.address}/0"
    server.start()
    try:
        with redis.Redis(host=server.host, port=server.port) as client:
            client.rpush("pipeline", "a task")
            client.set("kept", "yes")
            broker.delete_queues(url)
            assert client.keys() == [b"kept"]
            broker.wipe(url)
            assert client.keys() == []
            broker.wipe(url)
    finally:
        server.kill9()


def test_rabbitmq_is_wiped_queue_by_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no way to forget all at once."""
    deleted: list[str] = []
    monkeypatch.setattr(broker, "delete_queues", deleted.append)
    broker.wipe("amqp://guest:guest@127.0.0.1:5672//")
    assert deleted == ["amqp://guest:guest@127.0.0.1:5672//"]
