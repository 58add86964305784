"""The client's requests, against a server that answers as it is told."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from chat4all.client import ApiError, Client, Sent, Tokens, connection, content_of, message
from chat4all.client.connection import wait_s
from chat4all.model.content import Location, Media, Text
from chat4all.v1 import chat_pb2 as pb

Answer = tuple[int, dict[str, Any]] | tuple[int, dict[str, Any], dict[str, str]] | None


class Gateway:
    """Answers requests in order from `answers`; None drops the connection. Keeps what came."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[tuple[str, str, Any, str]] = []
        self.keys: list[str] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                gateway.requests.append((self.command, self.path, json.loads(body) if body else None, token))
                gateway.keys.append(self.headers.get("Idempotency-Key", ""))
                answer = gateway.answers.pop(0)
                if answer is None:
                    self.close_connection = True
                    return
                status, told, *headers = answer
                content = json.dumps(told).encode()
                self.send_response(status)
                for name, value in (headers[0] if headers else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = handle_any  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    gateway = Gateway()
    yield gateway
    gateway.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have waited, each time."""
    waited: list[float] = []
    # Its own sleep, nobody else's: other threads of this process would go round without one.
    for module in ("connection", "client"):
        monkeypatch.setattr(f"chat4all.client.{module}.time", SimpleNamespace(time=time.time, sleep=waited.append))
    return waited


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    client = Client(gateway.url, tokens=Tokens("first", "refresh"), tries=4)
    yield client
    client.close()


ACCEPTED = {"status": "accepted", "message_id": "m", "conversation_id": "c"}
NEW_TOKENS = {"access_token": "second", "refresh_token": "refresh 2", "token_type": "Bearer", "expires_in": 3600}


@pytest.mark.parametrize(
    "failures",
    [[None], [(503, {"code": "outcome_unknown"})], [(429, {}), (502, {}), None], [(503, {}), (503, {}), (503, {})]],
)
def test_a_message_is_sent_again_with_its_id(
    gateway: Gateway, client: Client, waits: list[float], failures: list[Answer]
) -> None:
    """After a lost answer, a 429 or an outage the same body goes again: for the server it is one message."""
    gateway.answers = [*failures, (202, ACCEPTED)]
    assert client.send("hello", to="bob") == Sent("m", "c")
    bodies = [body for _, _, body, _ in gateway.requests]
    assert len(bodies) == len(failures) + 1
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0] | {"message_id": ""} == {"message_id": "", "to": ["bob"], "payload": {"type": "text", "text": "hello"}}
    assert len(waits) == len(failures)


ABOUT = {"type": "reaction", "target": "m", "emoji": "👍"}


@pytest.mark.parametrize(
    ("call", "payload"),
    [
        (lambda client: client.send("hello", to="bob"), {"type": "text", "text": "hello"}),
        (lambda client: client.send(payload={"type": "song"}, to="bob"), {"type": "song"}),
        (lambda client: client.send(payload=Location(1, 2), to="bob"), {"type": "location", "latitude": 1, "longitude": 2}),
        (lambda client: client.send(payload=Media("f", "look", kind="voice"), to="bob"),
         {"type": "media", "file_id": "f", "caption": "look", "kind": "voice"}),
        (lambda client: client.send(payload=Media("f"), to="bob"), {"type": "media", "file_id": "f"}),
        (lambda client: client.send_location(1, 2, "Home", to="bob"),
         {"type": "location", "latitude": 1, "longitude": 2, "name": "Home"}),
        (lambda client: client.ask("Tea?", {"y": "Yes"}, to="bob"),
         {"type": "choices", "text": "Tea?", "options": [{"id": "y", "title": "Yes"}]}),
        (lambda client: client.ask("Tea?", ["Yes"], "list", to="bob"),
         {"type": "choices", "text": "Tea?", "options": [{"id": "Yes", "title": "Yes"}], "style": "list"}),
        (lambda client: client.react("m", "👍", "c"), ABOUT),
        (lambda client: client.vote("m", [2], "c"), {"type": "vote", "target": "m", "options": [2]}),
        (lambda client: client.edit("m", "Hi", "c"),
         {"type": "edit", "target": "m", "content": {"type": "text", "text": "Hi"}}),
        (lambda client: client.delete("m", "c"), {"type": "deletion", "target": "m"}),
    ],
)  # fmt: skip
def test_content_is_sent_as_the_api_has_it(gateway: Gateway, client: Client, call: Any, payload: dict[str, Any]) -> None:
    """Given as content or as the API writes it, or by the call of its kind."""
    gateway.answers = [(202, ACCEPTED)]
    assert call(client) == Sent("m", "c")
    [(_, _, body, _)] = gateway.requests
    assert body["payload"] == payload


def test_what_a_message_is_about_is_looked_for(gateway: Gateway, client: Client) -> None:
    """Its conversation, where it is not given; and what is answered goes beside the payload."""
    gateway.answers = [(200, {"message_id": "m", "conversation_id": "c"}), (202, ACCEPTED), (202, ACCEPTED)]
    client.react("m", "👍")
    client.send("Of course", conversation_id="c", reply_to="m")
    _, (_, _, reaction, _), (_, _, answer, _) = gateway.requests
    assert (reaction["conversation_id"], reaction["payload"]) == ("c", ABOUT)
    assert answer["reply_to"] == "m"


def test_words_and_a_payload_are_two_messages() -> None:
    """Whoever gives both is told, before anything is sent."""
    with pytest.raises(ValueError, match="not both"):
        message("hello", payload=Location(1, 2))


def test_what_came_is_given_as_content() -> None:
    """Of the stream and of history alike."""
    event = pb.MessageEvent(text="📍", content=pb.Content(location=pb.Location(latitude=0, longitude=2)))
    assert content_of(event) == Location(0, 2)
    assert content_of({"payload": {"type": "media", "file_id": "f", "caption": "look"}}) == Media("f", "look")
    assert content_of(pb.MessageEvent(text="hello")) == Text("hello")


def test_retry_after_is_honoured(gateway: Gateway, client: Client, waits: list[float]) -> None:
    """The server says how long to wait; more than a minute is not waited for one try."""
    gateway.answers = [(429, {}, {"Retry-After": "7"}), (503, {}, {"Retry-After": "900"}), (202, ACCEPTED)]
    client.send("hello", to="bob")
    assert waits == [7, 60]


def test_waits_double_within_bounds() -> None:
    """Without word from the server, waits grow to a limit."""
    longest = [max(wait_s(number) for _ in range(200)) for number in (0, 2, 20)]
    assert longest[0] <= connection.FIRST_WAIT_S < longest[1] <= 4 * connection.FIRST_WAIT_S
    assert longest[2] <= connection.LONGEST_WAIT_S


def test_tries_are_bounded_and_the_id_is_told(gateway: Gateway, client: Client, waits: list[float]) -> None:
    """After the last try the error names the message, so that somebody can send it again later."""
    gateway.answers = [(503, {"code": "outcome_unknown", "detail": "outcome unknown"})] * 4
    with pytest.raises(ApiError) as caught:
        client.send("hello", to="bob", message_id="mine")
    assert (caught.value.status, caught.value.code, caught.value.message_id) == (503, "outcome_unknown", "mine")
    assert caught.value.may_pass
    assert len(gateway.requests) == 4
    assert len(waits) == 3


def test_an_unreachable_server_is_said_so(waits: list[float]) -> None:
    """A closed port: an error with status 0 and the address."""
    client = Client("http://127.0.0.1:9", tokens=Tokens("first"), tries=2)
    with pytest.raises(ApiError, match=r"127\.0\.0\.1:9") as caught:
        client.me()
    assert caught.value.status == 0
    assert len(waits) == 1
    client.close()


def test_a_refusal_is_not_repeated(gateway: Gateway, client: Client, waits: list[float]) -> None:
    """What the server will never accept is raised at once, with the fields it names."""
    problem = {"code": "invalid", "detail": "wrong", "errors": [{"field": "to", "detail": "nobody"}]}
    gateway.answers = [(422, problem)]
    with pytest.raises(ApiError, match="to: nobody"):
        client.send("hello", to="")
    assert waits == []


def test_a_registration_is_repeated_under_its_key(gateway: Gateway, client: Client, waits: list[float]) -> None:
    """It may have happened, or be under way: for the server all tries are one. Another registration has another key."""
    gateway.answers = [(503, {}), None, (409, {"code": "request_under_way"}), (201, {"user_id": "alice"}), (201, {})]
    assert client.register("alice", "a long password") == {"user_id": "alice"}
    client.register("bob", "a long password")
    assert len(waits) == 3
    assert [gateway.keys.count(key) for key in dict.fromkeys(gateway.keys)] == [4, 1]


def test_tokens_renew_themselves(gateway: Gateway) -> None:
    """A refused token is renewed once and kept; the request goes again with the new one."""
    kept: list[Tokens] = []
    client = Client(gateway.url, tokens=Tokens("first", "refresh"), keep=kept.append)
    gateway.answers = [(401, {"code": "token_expired"}), (200, NEW_TOKENS), (200, {"user_id": "alice"}), (200, {})]
    assert client.me() == {"user_id": "alice"}
    client.me()
    assert [(path, token) for _, path, _, token in gateway.requests] == [
        ("/v1/users/me", "first"),
        ("/auth/refresh", ""),
        ("/v1/users/me", "second"),
        ("/v1/users/me", "second"),
    ]
    assert [(each.access, each.refresh) for each in kept] == [("second", "refresh 2")]
    client.close()


def test_a_token_is_renewed_before_it_runs_out(gateway: Gateway) -> None:
    """No request is wasted on a token that is known to be over."""
    client = Client(gateway.url, tokens=Tokens("first", "refresh", expires_at=1))
    gateway.answers = [(200, NEW_TOKENS)]
    assert client.token() == client.token() == "second"
    client.close()


def test_a_login_that_has_run_out_is_an_error(gateway: Gateway, client: Client) -> None:
    """A refused renewal is the answer, not another try."""
    gateway.answers = [(401, {}), (401, {"code": "token_expired", "detail": "the token has expired"})]
    with pytest.raises(ApiError) as caught:
        client.me()
    assert (caught.value.status, caught.value.code) == (401, "token_expired")


def test_threads_renew_once(gateway: Gateway) -> None:
    """Many threads that find the same token stale get one new one."""
    stale = Tokens("first", "refresh", expires_at=1)
    client = Client(gateway.url, tokens=stale)
    gateway.answers = [(200, NEW_TOKENS)]
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(client.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["second"] * 8
    client.close()


def test_nobody_is_logged_in_at_first() -> None:
    """Calls that need an account say so without asking the server."""
    with pytest.raises(ApiError, match="not logged in"):
        Client("http://127.0.0.1:9").me()


def test_a_batch_repeats_only_what_an_outage_held_back(gateway: Gateway, client: Client, waits: list[float]) -> None:
    """Each message has its own result; refused and accepted ones are left alone."""
    good, held, bad = (message(word, to="bob", message_id=word) for word in ("good", "held", "bad"))

    def result(name: str, status: int = 0) -> dict[str, Any]:
        if not status:
            return ACCEPTED | {"message_id": name}
        return {"status": "error", "message_id": name, "error": {"status": status, "code": f"c{status}", "detail": "d"}}

    gateway.answers = [
        (200, {"results": [result("good"), result("held", 503), result("bad", 422)]}),
        (200, {"results": [result("held")]}),
    ]
    first, second, third = client.send_all([good, held, bad])
    assert (first, second) == (Sent("good", "c"), Sent("held", "c"))
    assert isinstance(third, ApiError)
    assert (third.status, third.code) == (422, "c422")
    assert gateway.requests[1][2] == {"messages": [held]}
    assert len(waits) == 1


def test_conversations_are_read_to_the_end(gateway: Gateway, client: Client) -> None:
    """Pages are followed."""
    one, two, three = ({"conversation_id": name} for name in ("one", "two", "three"))
    gateway.answers = [(200, {"conversations": [one, two], "next": "x"}), (200, {"conversations": [three]})]
    assert client.conversations() == [one, two, three]
    assert [path for _, path, _, _ in gateway.requests] == ["/v1/conversations", "/v1/conversations?after=x"]


def test_dead_letters_are_listed_looked_at_and_taken_again(gateway: Gateway, client: Client) -> None:
    """Pages are followed with the same wish; one letter is shown with its webhook, and replayed."""
    one, two = ({"letter_id": name} for name in ("one", "two"))
    gateway.answers = [
        (200, {"dead_letters": [one], "next": "x"}),
        (200, {"dead_letters": [two]}),
        (200, one | {"body": "{}"}),
        (200, {"messages": 1}),
    ]
    assert client.dead_letters(stage="unclaimed") == [one, two]
    assert client.dead_letter("one")["body"] == "{}"
    assert client.replay_dead_letter("one", dry_run=True) == {"messages": 1}
    assert [(method, path, body) for method, path, body, _ in gateway.requests] == [
        ("GET", "/v1/dead-letters?stage=unclaimed", None),
        ("GET", "/v1/dead-letters?stage=unclaimed&after=x", None),
        ("GET", "/v1/dead-letters/one", None),
        ("POST", "/v1/dead-letters/one/replay", {"dry_run": True}),
    ]


def test_an_answer_that_is_no_json_is_an_error_of_its_status(gateway: Gateway, client: Client) -> None:
    """A proxy's page does not surprise the caller."""
    gateway.answers = [(404, {})]
    with pytest.raises(ApiError) as caught:
        client.message("m")
    assert (caught.value.status, caught.value.code) == (404, "http_error")


def test_what_a_provider_sent_is_asked_for(gateway: Gateway, client: Client) -> None:
    """As the provider wrote it, of one conversation where that is said."""
    gateway.answers = [(200, {"message_id": "m", "conversation_id": "c", "raw": {"type": "poll"}})]
    assert client.raw("m", "c") == {"type": "poll"}
    assert gateway.requests[0][:2] == ("GET", "/v1/messages/m/raw?conversation_id=c")
