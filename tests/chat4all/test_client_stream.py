"""The client's stream against a real stream server: it goes on by itself and tells each message once."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bridges.streaming.cursor import Cursor
from chat4all.client import ApiError, Client, Tokens
from chat4all.client.streaming import Newest, Stream, channel_to
from chat4all.model.records import STATUS, Position, Range, read_status
from chat4all.v1 import chat_pb2 as pb
from tests.bridges.road import TIMEOUT_S, Background, Road, settings_in


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    road = Road(settings_in(tmp_path))
    road.users("alice", "bob")
    yield road
    road.close()


@pytest.fixture
def server(road: Road) -> Iterator[Background]:
    with closing(Background(road)) as server:
        server.start()
        yield server


@pytest.fixture
def client(road: Road) -> Iterator[Client]:
    client = Client("http://127.0.0.1:9", f"127.0.0.1:{road.settings.stream_port}", tokens=Tokens(road.token("bob")), tries=1)
    yield client
    client.close()


def read(stream: Stream, count: int) -> list[str]:
    """The words of the next messages; the stream then ends."""
    got: list[str] = []
    for event in stream:
        got += [event.message.text] if event.HasField("message") else []
        if len(got) >= count:
            stream.stop()
    return got


def test_a_stream_outlives_its_server(road: Road, server: Background, client: Client) -> None:
    """The server stops and starts while messages flow; the loop sees each once, in order."""
    talk = road.conversation("talk", "alice", "bob")

    def write() -> None:
        for number in range(12):
            road.say(talk, f"{number}")
            if number % 4 == 3:
                server.stop()
                road.say(talk, f"{number} while away")
                server.start()

    expected = [text for number in range(12) for text in (f"{number}", f"{number} while away")[: 1 + (number % 4 == 3)]]
    writing = threading.Thread(target=write)
    with client.stream() as stream:
        writing.start()
        assert read(stream, len(expected)) == expected
    writing.join()


def test_what_the_loop_is_done_with_is_acknowledged(road: Road, server: Background, client: Client) -> None:
    """Delivered positions reach chat-status, up to the last message that was worked on."""
    talk = road.conversation("talk", "alice", "bob")
    last = road.say(talk, "one", "two")[-1]
    with client.stream(acknowledge=True) as stream:
        assert read(stream, 2) == ["one", "two"]
    ranges = [Range(each, first, end - 1) for each, (first, end) in road.log.ends(STATUS).items() if end > first]
    positions = [read_status(record) for record in road.log.read(STATUS, ranges, TIMEOUT_S)]
    come = [(each.user_id, each.kind, each.up_to) for each in positions if isinstance(each, Position)]
    assert come == [("bob", "delivered", last.seq)]


def test_a_cursor_resumes_in_another_process(road: Road, server: Background, client: Client) -> None:
    """Whoever keeps the cursor goes on after it."""
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "one")
    with client.stream() as stream:
        assert read(stream, 1) == ["one"]
        cursor = stream.cursor
    road.say(talk, "two")
    with client.stream(cursor) as stream:
        assert read(stream, 1) == ["two"]


def test_a_stale_token_is_renewed(road: Road, server: Background) -> None:
    """UNAUTHENTICATED once: a new token, and on it goes."""
    talk = road.conversation("talk", "alice", "bob")
    road.say(talk, "one")
    tokens = [road.token("bob", -1), road.token("bob")]
    with Stream(f"127.0.0.1:{road.settings.stream_port}", lambda: tokens[0], lambda: tokens.pop(0)) as stream:
        assert read(stream, 1) == ["one"]
    assert len(tokens) == 1


def test_a_token_that_stays_refused_is_an_error(road: Road, server: Background) -> None:
    """A renewal that does not help ends the loop instead of turning it for ever."""
    renewed: list[int] = []
    target = f"127.0.0.1:{road.settings.stream_port}"
    with Stream(target, lambda: "forged", lambda: renewed.append(1)) as stream, pytest.raises(ApiError) as caught:
        read(stream, 1)
    assert (caught.value.status, caught.value.code, renewed) == (401, "token_invalid", [1])


def test_a_cursor_of_somewhere_else_is_an_error(server: Background, client: Client) -> None:
    """The caller decides whether to begin anew; the client does not skip in silence."""
    with client.stream(Cursor({0: 1}, 1, "elsewhere").encode()) as stream, pytest.raises(ApiError) as caught:
        read(stream, 1)
    assert caught.value.code == "bad_cursor"


def test_close_ends_a_waiting_loop(server: Background, client: Client) -> None:
    """Another thread may end a loop that waits for what does not come."""
    stream = client.stream()
    closing = threading.Timer(0.2, stream.close)
    closing.start()
    assert list(stream) == []
    closing.join()
    stream.close()


@pytest.mark.parametrize(
    ("target", "opened"),
    [
        ("127.0.0.1:50051", "plain 127.0.0.1:50051"),
        ("https://chat.example.org", "TLS chat.example.org"),
        ("https://chat.example.org:8443/", "TLS chat.example.org:8443"),
    ],
)
def test_a_target_with_https_is_spoken_to_over_tls(target: str, opened: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server behind a proxy is reached as its REST side is; one on this machine as it is."""
    monkeypatch.setattr("grpc.insecure_channel", lambda address, options: f"plain {address}")
    monkeypatch.setattr("grpc.secure_channel", lambda address, _credentials, options: f"TLS {address}")
    assert str(channel_to(target)) == opened


def state(name: str, seq: int = 1) -> pb.Event:
    return pb.Event(state=pb.StateEvent(message_id="m", seq=seq, recipient="bob", channel="whatsapp", state=name))


def position(delivered: int, read_up_to: int) -> pb.Event:
    return pb.Event(
        position=pb.PositionEvent(conversation_id="c", user_id="bob", delivered_up_to=delivered, read_up_to=read_up_to)
    )


def spoken(seq: int, conversation: str = "c") -> pb.Event:
    return pb.Event(message=pb.MessageEvent(conversation_id=conversation, seq=seq))


@pytest.mark.parametrize(
    ("events", "new"),
    [
        ([spoken(1), spoken(2), spoken(2), spoken(1), spoken(3), spoken(1, "d")], [True, True, False, False, True, True]),
        ([state("SENT"), state("READ"), state("DELIVERED"), state("READ")], [True, True, False, False]),
        ([state("FAILED"), state("DELIVERED"), state("SENT", seq=2)], [True, True, True]),
        ([position(3, 0), position(3, 2), position(3, 0), position(4, 2)], [True, True, False, True]),
        ([pb.Event(event_id="1", rejected=pb.RejectedEvent())] * 2, [True, False]),
    ],
)
def test_only_news_is_told(events: list[pb.Event], new: list[bool]) -> None:
    """Resumes repeat events: messages come once, states and positions never go back."""
    newest = Newest()
    assert [newest.is_new(event) for event in events] == new


def test_the_memory_of_news_is_bounded() -> None:
    """What has not changed for longest is forgotten first."""
    newest = Newest(remembered=2)
    assert [newest.is_new(spoken(1, name)) for name in "abcca"] == [True, True, True, False, True]


def test_a_resends_states_are_news() -> None:
    """A resend is a delivery of its own: its SENT is told after the first one's FAILED; repeats of either are not."""
    newest = Newest()

    def state(key: str, name: str) -> pb.Event:
        told = pb.StateEvent(message_id="m", conversation_id="c", seq=1, recipient="carla", channel="telegram", state=name)
        return pb.Event(event_id=f"{key}:{name}", at_ms=1, state=told)

    told = [("telegram:0:1:0", "FAILED"), ("telegram:0:9:0", "SENT"), ("telegram:0:1:0", "FAILED"), ("telegram:0:9:0", "SENT")]
    assert [newest.is_new(state(*each)) for each in told] == [True, True, False, False]
    assert newest.is_new(state("telegram:0:9:0", "READ"))
    assert not newest.is_new(state("telegram:0:9:0", "DELIVERED"))
