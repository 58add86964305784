"""Requests under an Idempotency-Key that make something else than a message."""

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from chat4all.model.failures import Temporary
from tests.webapp.driver import Driver


@pytest.fixture
def gateway(start: Callable[..., Driver]) -> Driver:
    driver = start()
    driver.people("alice", "bob", "eve")
    return driver


def keyed(driver: Driver, who: str, path: str, body: Any, key: str = "k") -> tuple[int, dict[str, Any]]:
    answer = driver.call(who, "POST", path, body, headers={"Idempotency-Key": key})
    return answer.status_code, json.loads(answer.data)


def _bodies(driver: Driver) -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    group = driver.group("alice", "bob")
    file = {"conversation_id": group, "filename": "a.txt", "size": 5}
    return {
        "conversation": ("/v1/conversations", {"type": "group", "members": ["bob"]}, {"type": "group", "members": ["eve"]}),
        "file": ("/v1/files/initiate", file, file | {"size": 6}),
        "members": (f"/v1/conversations/{group}/members", {"members": ["eve"]}, {"members": ["bob"]}),
    }


@pytest.mark.parametrize("kind", ["conversation", "file", "members"])
def test_a_request_said_again_is_done_once_and_answered_alike(gateway: Driver, kind: str) -> None:
    """The first answer, to the letter; another body under the key is refused; the key is this client's own."""
    path, body, other = _bodies(gateway)[kind]
    first = keyed(gateway, "alice", path, body)
    assert first[0] in (200, 201)
    assert keyed(gateway, "alice", path, dict(reversed(body.items()))) == first
    status, problem = keyed(gateway, "alice", path, other)
    assert (status, problem["code"], problem["errors"][0]["field"]) == (422, "idempotency_key_reused", "Idempotency-Key")
    if kind == "conversation":
        assert keyed(gateway, "bob", path, other)[1]["conversation_id"] != first[1]["conversation_id"]
        assert keyed(gateway, "alice", path, body, "another")[1]["conversation_id"] != first[1]["conversation_id"]


def test_what_was_refused_may_be_said_again_mended(gateway: Driver) -> None:
    """A refusal, or an outage, leaves the key free."""
    path = "/v1/conversations"
    assert keyed(gateway, "alice", path, {"type": "group", "members": ["nobody"]})[0] == 422
    body = {"type": "group", "members": ["bob"]}
    with patch.object(type(gateway.parts.store), "add_conversations", side_effect=Temporary("store")):
        assert keyed(gateway, "alice", path, body)[0] == 503
    assert keyed(gateway, "alice", path, body)[0] == 201


def test_who_comes_while_it_is_worked_on_is_told_to_come_again(gateway: Driver) -> None:
    """Until then nobody knows what to answer; after a minute whoever worked on it has died."""
    path, body = "/v1/conversations", {"type": "group", "members": ["bob"]}
    with patch.object(type(gateway.parts.store), "swap_request", return_value=True):
        assert keyed(gateway, "alice", path, body)[0] == 201
        assert (keyed(gateway, "alice", path, body)[1]["code"]) == "request_under_way"
    with patch("webapp.repeating.WORKING_MS", 0):
        assert keyed(gateway, "alice", path, body)[0] == 201


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_keys_that_make_no_sense_are_refused(gateway: Driver, key: str) -> None:
    """As for messages."""
    status, problem = keyed(gateway, "alice", "/v1/conversations", {"type": "group", "members": ["bob"]}, key)
    assert (status, problem["code"]) == (422, "invalid")
