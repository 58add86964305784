"""Where traces begin: by the caller's word or by lot, with nothing private in them, and an id for every message."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from chat4all.model.conversations import User, UserKind
from chat4all.model.records import INCOMING, Range, Record
from chat4all.services.access import tokens
from chat4all.telemetry import trace_context
from tests.spans import Recording, id_of, recording
from tests.webapp.driver import Driver

CALLERS = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED, UNSAMPLED = f"00-{CALLERS}-00f067aa0ba902b7-01", f"00-{CALLERS}-00f067aa0ba902b7-00"
SECRET_WORDS = "nobody else must read this"


@pytest.fixture
def recorded() -> Iterator[Recording]:
    """Tracing is on; only what a caller asks for is recorded."""
    with recording(0) as found:
        yield found


def gateway_of(start: Callable[..., Driver]) -> Driver:
    driver = start()
    driver.people("alice", "bob")
    return driver


def send(driver: Driver, texts: list[str], traceparent: str = "") -> None:
    messages = [{"message_id": str(uuid4()), "to": ["bob"], "payload": {"type": "text", "text": each}} for each in texts]
    headers = {"traceparent": traceparent} if traceparent else {}
    path, body = ("/v1/messages", messages[0]) if len(texts) == 1 else ("/v1/messages:batch", {"messages": messages})
    assert driver.call("alice", "POST", path, body, headers=headers).status_code in (200, 202)


def records(driver: Driver) -> list[Record]:
    log = driver.parts.log
    spans = [Range(number, first, end - 1) for number, (first, end) in log.ends(INCOMING).items() if end > first]
    return list(log.read(INCOMING, spans, 5))


@pytest.mark.parametrize("given", ["", UNSAMPLED, SAMPLED, "00-0-0-00", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
def test_every_message_has_a_trace_id(given: str, start: Callable[..., Driver]) -> None:
    """Also where tracing is off: the caller's, or one of its own; a malformed one is no trace."""
    driver = gateway_of(start)
    send(driver, ["hello"], given)
    (record,) = records(driver)
    found = trace_context.trace_id(record.headers[trace_context.HEADER])
    assert (found == CALLERS) == (CALLERS in given)
    assert trace_context.read(record.headers[trace_context.HEADER]) == record.headers[trace_context.HEADER]
    (message,) = driver.process()
    assert driver.ask("bob", "GET", f"/v1/messages/{message.message_id}")["trace_id"] == found


def test_a_message_goes_on_with_its_request(start: Callable[..., Driver], recorded: Recording) -> None:
    """The caller's span, the request's and the append's stand in a row, and the record points at the last of them."""
    driver = gateway_of(start)
    send(driver, [SECRET_WORDS], SAMPLED)
    (record,) = records(driver)
    request, append = recorded.of(CALLERS)
    assert (request.name, append.name) == ("POST /v1/messages", "append")
    assert request.parent and append.parent
    assert (request.parent.span_id, append.parent.span_id) == (0x00F067AA0BA902B7, id_of(request))
    assert record.headers[trace_context.HEADER] == f"00-{CALLERS}-{id_of(append):016x}-01"
    assert {(each.attributes or {})["message_id"] for each in (request, append)} == {record.headers[trace_context.MESSAGE]}


def test_of_several_each_has_its_own(start: Callable[..., Driver], recorded: Recording) -> None:
    """The messages of one request have traces of their own, linked to the request's."""
    driver = gateway_of(start)
    send(driver, ["one", "two", "three"], SAMPLED)
    ids = {trace_context.trace_id(each.headers[trace_context.HEADER]) for each in records(driver)}
    assert len(ids) == 3
    assert CALLERS not in ids
    for each in ids:
        (append,) = recorded.of(each)
        assert [f"{link.context.trace_id:032x}" for link in append.links] == [CALLERS]


def test_what_nobody_asked_for_is_not_recorded(start: Callable[..., Driver], recorded: Recording) -> None:
    """Without the lot and without a caller's word no span is made; a caller who says no is obeyed."""
    driver = gateway_of(start)
    send(driver, ["hello"])
    send(driver, ["hello"], UNSAMPLED)
    assert recorded.all() == []


def test_a_request_says_of_which_workspace_it_is(start: Callable[..., Driver], recorded: Recording) -> None:
    """Of the caller's, in words of ours; of `default` nothing, and nothing where nobody is known."""
    driver = gateway_of(start)
    user = User("ann", UserKind.PERSON, 1)
    driver.parts.within("acme").store.add_users([user])
    secret = driver.parts.settings.secret("jwt")
    driver.tokens["ann"] = tokens.issue(user, tokens.ACCESS, 60, secret, "acme-ann", workspace="acme")
    for who in ("ann", "alice", "nobody"):
        driver.tokens.setdefault(who, "none")
        driver.call(who, "GET", "/v1/users/me", headers={"traceparent": SAMPLED})
    assert [(each.attributes or {}).get("workspace") for each in recorded.of(CALLERS)] == ["acme", None, None]


def test_by_lot(start: Callable[..., Driver]) -> None:
    """A ratio of 1 records every request that does not say otherwise."""
    with recording(1) as recorded:
        driver = gateway_of(start)
        send(driver, ["hello"])
        send(driver, ["hello"], UNSAMPLED)
        assert [each.name for each in recorded.all()] == ["POST /v1/messages", "append"]


def test_a_span_says_nothing_private(start: Callable[..., Driver], recorded: Recording) -> None:
    """No query, no address of a caller, no words, not even in an error."""
    driver = gateway_of(start)

    def fail(*_: Any) -> Any:
        raise KeyError(SECRET_WORDS)

    driver.app.add_url_rule("/fails", "fails", fail)
    driver.call("alice", "GET", f"/fails?token={SECRET_WORDS}", headers={"traceparent": SAMPLED})
    (span,) = recorded.of(CALLERS)
    assert (span.name, span.events, span.status.description) == ("GET /fails", (), None)
    assert set(span.attributes or {}) <= {"http.method", "http.route", "http.status_code"}
    assert SECRET_WORDS not in span.to_json()
