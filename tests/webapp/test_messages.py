"""Sending: what is accepted, what is frozen, what is refused and why."""

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from chat4all.model.failures import Temporary, Unknown
from chat4all.model.ids import contact_id, private_conversation_id
from tests.webapp.driver import Driver

PEOPLE = ("alice", "bob", "eve")
CLIENTS = {"crm": ("send", "manage")}
CARLA = "+5511999990000"


def recipients(driver: Driver) -> list[tuple[str, str, str]]:
    return [(each.user_id, each.channel, each.address) for each in driver.records()[-1].recipients]


def test_a_message_is_in_the_log_when_it_is_accepted(gateway: Driver) -> None:
    """202 means durable: the record is there, with all that was resolved."""
    told = gateway.send("alice", to=["bob"], metadata={"priority": 1})
    [record] = gateway.records()
    assert told == {"status": "accepted", "message_id": record.message_id, "conversation_id": record.conversation_id}
    assert (record.sender, record.payload.as_text(), record.metadata) == ("alice", "hello", {"priority": 1})
    assert (record.members_version, record.recipients) == (1, ())
    assert record.conversation_id == private_conversation_id("bob", "alice")


def test_a_private_pair_has_one_conversation(gateway: Driver) -> None:
    """Whoever writes first, and however it is founded, the two share one conversation."""
    first = gateway.send("alice", to=["bob"])["conversation_id"]
    assert gateway.send("bob", to=["alice"])["conversation_id"] == first
    assert gateway.private("bob", "alice") == first


def test_the_same_message_again_is_accepted_and_not_appended_once_it_is_stored(gateway: Driver) -> None:
    """Before it is stored a repetition is appended again, for the pipeline to drop; after that it only gets its answer."""
    message_id = str(uuid4())
    first = gateway.send("alice", to=["bob"], message_id=message_id)
    assert gateway.send("alice", to=["bob"], message_id=message_id.upper()) == first
    assert len(gateway.process()) == 2
    assert gateway.send("alice", to=["bob"], message_id=message_id) == first
    assert gateway.send("alice", conversation_id=first["conversation_id"], message_id=message_id) == first
    assert len(gateway.records()) == 2


@pytest.mark.parametrize(
    "changed", [{"text": "other"}, {"metadata": {"a": 1}}, {"channels": ["whatsapp"]}, {"sender": "bob", "to": ["alice"]}]
)
def test_a_message_id_with_another_body_is_a_conflict(gateway: Driver, changed: dict[str, Any]) -> None:
    """Whatever the sender chose is part of the body: text, metadata, channels, who speaks."""
    message_id = str(uuid4())
    gateway.send("crm", to=["bob"], sender="alice", message_id=message_id)
    gateway.process()
    body = {"to": ["bob"], "sender": "alice", "message_id": message_id} | changed
    assert gateway.send("crm", expect=409, **body)["code"] == "message_id_conflict"


def test_who_it_was_limited_to_is_part_of_the_body(gateway: Driver) -> None:
    """Limited to others it is another message; said again in the same words it is the same, whoever has the address by now."""
    group = gateway.group("crm", "alice", f"whatsapp:{CARLA}", "bob")
    body: dict[str, Any] = {"conversation_id": group, "sender": "alice", "message_id": str(uuid4())}
    body["to"] = [f"whatsapp:{CARLA}"]
    first = gateway.send("crm", **body)
    gateway.process()
    gateway.ask("crm", "PUT", "/v1/users/bob/identities/whatsapp", {"address": CARLA})
    assert gateway.send("crm", **body) == first
    assert gateway.send("crm", expect=409, **{**body, "to": ["bob"]})["code"] == "message_id_conflict"


def test_without_channels_a_person_is_not_reached_outside(gateway: Driver) -> None:
    """Persons read here; external channels are asked for."""
    gateway.ask("crm", "PUT", "/v1/users/bob/identities/whatsapp", {"address": CARLA})
    gateway.send("alice", to=["bob"])
    assert recipients(gateway) == []
    gateway.send("alice", to=["bob"], channels=["whatsapp"])
    assert recipients(gateway) == [("bob", "whatsapp", CARLA)]


def test_all_means_every_verified_address(gateway: Driver) -> None:
    """One recipient for each, over all channels."""
    for channel in ("whatsapp", "instagram"):
        gateway.ask("crm", "PUT", f"/v1/users/bob/identities/{channel}", {"address": CARLA})
    gateway.send("alice", to=["bob"], channels=["all"])
    assert sorted(recipients(gateway)) == [("bob", "instagram", CARLA), ("bob", "whatsapp", CARLA)]


def test_who_has_no_address_on_a_channel_asked_for_is_a_recipient_without_one(gateway: Driver) -> None:
    """It becomes a FAILED delivery later: never silence."""
    gateway.send("alice", to=["bob"], channels=["instagram"])
    assert recipients(gateway) == [("bob", "instagram", "")]


def test_an_address_becomes_a_contact_with_a_conversation(gateway: Driver) -> None:
    """A service client writes to an address; spaces in it do not matter."""
    told = gateway.send("crm", to=["whatsapp:+55 11 99999 0000"])
    contact = contact_id("whatsapp", CARLA)
    assert recipients(gateway) == [(contact, "whatsapp", CARLA)]
    shown = gateway.ask("crm", "GET", f"/v1/conversations/{told['conversation_id']}")
    assert [each["user_id"] for each in shown["members"]] == ["crm", contact]
    assert shown["members"][1]["kind"] == "contact"


def test_from_speaks_for_a_person(gateway: Driver) -> None:
    """With scope send the sender is the person named, and the conversation is theirs."""
    told = gateway.send("crm", to=[f"whatsapp:{CARLA}"], sender="alice")
    assert gateway.records()[-1].sender == "alice"
    assert gateway.ask("alice", "GET", f"/v1/conversations/{told['conversation_id']}")["type"] == "private"
    gateway.send("alice", conversation_id=told["conversation_id"])
    assert recipients(gateway) == [(contact_id("whatsapp", CARLA), "whatsapp", CARLA)]


def test_a_contact_is_answered_on_the_channel_they_last_wrote_from(gateway: Driver) -> None:
    """Of two addresses the one that wrote last, however they were claimed."""
    contact = gateway.ask("crm", "POST", "/v1/users", {"user_id": "carla", "display_name": "Carla"}, 201)["user_id"]
    for channel in ("instagram", "whatsapp"):
        gateway.ask("crm", "PUT", f"/v1/users/{contact}/identities/{channel}", {"address": CARLA})
    gateway.send("crm", to=["carla"])
    assert recipients(gateway) == [("carla", "instagram", CARLA)]
    gateway.writes("whatsapp", CARLA, "hi", "w1")
    gateway.send("crm", to=["carla"])
    assert recipients(gateway) == [("carla", "whatsapp", CARLA)]


def test_to_limits_delivery_within_a_conversation(gateway: Driver) -> None:
    """The message is everybody's to read, and goes outside only to those named."""
    other = "+5511999990001"
    group = gateway.group("crm", "alice", f"whatsapp:{CARLA}", f"whatsapp:{other}")
    gateway.send("crm", conversation_id=group, sender="alice")
    assert len(recipients(gateway)) == 2
    gateway.send("crm", conversation_id=group, sender="alice", to=[f"whatsapp:{other}"])
    assert [each[2] for each in recipients(gateway)] == [other]
    assert gateway.records()[-1].sender_name == "Alice"
    assert gateway.send("crm", conversation_id=group, sender="alice", to=["bob"], expect=422)["code"] == "not_a_member"
    assert (
        gateway.send("crm", conversation_id=group, sender="alice", to=["whatsapp:+4930123456"], expect=422)["code"]
        == "not_a_member"
    )


WRONG: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "unknown field": ({"colour": "red"}, 422, "invalid", "colour"),
    "unknown field inside": ({"payload": {"type": "text", "text": "x", "bold": True}}, 422, "invalid", "payload.text.bold"),
    "wrong type": ({"payload": {"type": "text", "text": 5}}, 422, "invalid", "payload.text.text"),
    "wrong type of channels": ({"channels": "whatsapp"}, 422, "invalid", "channels"),
    "no payload": ({"payload": None}, 422, "invalid", "payload"),
    "unknown payload": ({"payload": {"type": "song"}}, 422, "invalid", "payload"),
    "empty text": ({"payload": {"type": "text", "text": "  "}}, 422, "empty_text", "payload.text"),
    "text too long": ({"payload": {"type": "text", "text": "x" * 4097}}, 422, "text_too_long", "payload.text"),
    "file that does not exist": ({"payload": {"type": "file", "file_id": "f"}}, 422, "unknown_file", "payload.file_id"),
    "malformed message_id": ({"message_id": "7"}, 422, "malformed_uuid", "message_id"),
    "malformed conversation_id": ({"to": None, "conversation_id": "x"}, 422, "malformed_uuid", "conversation_id"),
    "unknown conversation": (
        {"to": None, "conversation_id": str(uuid4())}, 404, "unknown_conversation", "conversation_id",
    ),
    "neither conversation nor to": ({"to": None}, 422, "missing", "conversation_id"),
    "nobody": ({"to": []}, 422, "invalid", "to"),
    "several without a conversation": ({"to": ["bob", "eve"]}, 422, "conversation_needed", "to"),
    "oneself": ({"to": ["alice"]}, 422, "invalid", "to"),
    "unknown user": ({"to": ["nobody"]}, 422, "unknown_user", "to"),
    "unknown channel": ({"channels": ["pigeon"]}, 422, "unknown_channel", "channels"),
    "a channel twice": ({"channels": ["whatsapp", "whatsapp"]}, 422, "invalid", "channels"),
    "no channels": ({"channels": []}, 422, "invalid", "channels"),
    "an address without the scope": ({"to": [f"whatsapp:{CARLA}"]}, 403, "scope_needed", "to"),
    "for somebody else": ({"from": "bob"}, 403, "scope_needed", "from"),
    "metadata too large": ({"metadata": {"a": "x" * 20_000}}, 422, "metadata_too_large", "metadata"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_refused_with_its_field(untouched: Driver, case: str) -> None:
    """Each wrong message has a stable code, names the field, and leaves nothing in the log."""
    changed, status, code, field = WRONG[case]
    body = {"to": ["bob"], "payload": {"type": "text", "text": "hello"}} | changed
    body = {name: value for name, value in body.items() if value is not None}
    assert untouched.refused("alice", "POST", "/v1/messages", body, status) == (code, field)
    assert untouched.records() == []


def test_a_number_beyond_all_range_is_refused(gateway: Driver) -> None:
    """JSON allows it, nothing that stores JSON does."""
    body = b'{"to": ["bob"], "payload": {"type": "text", "text": "x"}, "metadata": {"a": 1e999}}'
    assert gateway.refused("alice", "POST", "/v1/messages", body) == ("invalid", "metadata")


def test_a_service_client_names_wrong_addresses_and_senders(gateway: Driver) -> None:
    """Scope send does not make an address right, nor a sender a member."""
    bad: list[tuple[dict[str, Any], int, str]] = [
        ({"to": ["whatsapp:12"]}, 422, "bad_address"),
        ({"to": ["pigeon:12"]}, 422, "bad_address"),
        ({"to": ["bob"], "sender": "nobody"}, 422, "unknown_user"),
        ({"conversation_id": gateway.private("alice", "bob"), "sender": "eve"}, 403, "not_a_member"),
        ({"conversation_id": gateway.private("alice", "bob")}, 403, "not_a_member"),
    ]
    for body, status, code in bad:
        assert gateway.send("crm", expect=status, **body)["code"] == code
    assert gateway.records() == []


def test_a_foreign_conversation_does_not_exist(gateway: Driver) -> None:
    """Who is no member gets the answer for an unknown conversation, to the letter."""
    foreign = gateway.private("alice", "bob")
    told = gateway.send("eve", conversation_id=foreign, expect=404)
    unknown = gateway.send("eve", conversation_id=str(uuid4()), expect=404)
    assert {**told, "message_id": ""} == {**unknown, "message_id": ""}


def test_a_contact_is_not_written_to_by_guessing_its_id(gateway: Driver) -> None:
    """A contact's id follows from the address, so for those without the scope for addresses there is no such user."""
    gateway.send("crm", to=[f"whatsapp:{CARLA}"])
    assert gateway.send("eve", to=[contact_id("whatsapp", CARLA)], expect=422)["code"] == "unknown_user"


@pytest.mark.parametrize("body", [b"{", b"", b"\xff", b'{"a": NaN}', b"[" * 5000, b'"\\ud800"'])
def test_what_is_not_json_is_said_to_be_so(untouched: Driver, body: bytes) -> None:
    """Broken JSON, no body, broken UTF-8 and the like are a 400."""
    for path in ("/v1/messages", "/v1/messages:batch"):
        assert untouched.ask("alice", "POST", path, body, 400)["code"] == "invalid_json"


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"5"])
def test_json_that_is_no_object_is_refused(untouched: Driver, body: bytes) -> None:
    """A body is an object."""
    for path in ("/v1/messages", "/v1/messages:batch"):
        assert untouched.ask("alice", "POST", path, body, 422)["code"] == "invalid"


def test_a_body_has_a_limit(start: Callable[..., Driver]) -> None:
    """Beyond its limit a body is not read; a batch has a larger one."""
    driver = start(body_limit=1000, batch_body_limit=5000)
    driver.people("alice", "bob")
    message = {"to": ["bob"], "payload": {"type": "text", "text": "x" * 1500}}
    assert driver.refused("alice", "POST", "/v1/messages", message, 413) == ("too_large", "")
    driver.ask("alice", "POST", "/v1/messages:batch", {"messages": [message]})
    assert driver.refused("alice", "POST", "/v1/messages:batch", {"messages": [message] * 4}, 413)[0] == "too_large"


def test_a_batch_answers_for_each_message(gateway: Driver) -> None:
    """A wrong message does not touch the others, and the order of the answers is that of the messages."""
    good = {"to": ["bob"], "payload": {"type": "text", "text": "hello"}, "message_id": str(uuid4())}
    other = good | {"payload": {"type": "text", "text": "other"}}
    batch = [good, good | {"colour": 1}, 5, good, other, {**good, "message_id": str(uuid4()), "to": ["nobody"]}]
    results = gateway.ask("alice", "POST", "/v1/messages:batch", {"messages": batch})["results"]
    assert [each["status"] for each in results] == ["accepted", "error", "error", "accepted", "error", "error"]
    assert [each.get("error", {}).get("code") for each in results] == [
        None, "invalid", "invalid", None, "message_id_conflict", "unknown_user",
    ]  # fmt: skip
    assert results[1]["message_id"] == good["message_id"]
    assert len(gateway.records()) == 1


@pytest.mark.parametrize("messages", [[], [{}] * 501, "x", None])
def test_a_batch_has_1_to_500_messages(untouched: Driver, messages: Any) -> None:
    """Anything else is refused as a whole."""
    assert untouched.refused("alice", "POST", "/v1/messages:batch", {"messages": messages}) == ("invalid", "messages")


@pytest.mark.parametrize(
    ("failure", "code"), [(Unknown("log_timeout"), "outcome_unknown"), (Temporary("log_down"), "unavailable")]
)
def test_what_is_not_certain_is_a_503_with_the_id(gateway: Driver, failure: Exception, code: str) -> None:
    """The sender learns the message_id to repeat, also when the server made it; a stored message stays accepted."""
    stored = gateway.send("alice", to=["bob"], message_id=str(uuid4()))
    gateway.process()
    gateway.log_faults.fail("append", failure)
    body = {"to": ["bob"], "payload": {"type": "text", "text": "hello"}}
    answer = gateway.call("alice", "POST", "/v1/messages", body)
    problem = json.loads(answer.data)
    assert (answer.status_code, problem["code"], answer.headers["Retry-After"]) == (503, code, "1")
    assert problem["message_id"]
    batch = {"messages": [body, body | {"message_id": stored["message_id"]}]}
    results = gateway.ask("alice", "POST", "/v1/messages:batch", batch)["results"]
    assert [each["status"] for each in results] == ["error", "accepted"]


def test_an_outage_of_the_store_is_a_503(gateway: Driver) -> None:
    """Nothing was appended, and that is what the answer says."""
    gateway.faults.fail("memberships", Temporary("store_down"))
    assert gateway.send("alice", to=["bob"], expect=503)["code"] == "unavailable"
    assert gateway.ask("alice", "GET", f"/v1/conversations/{uuid4()}", expect=503)["code"] == "unavailable"
    assert gateway.records() == []


def test_a_message_shows_where_it_is(gateway: Driver) -> None:
    """Not there before it is stored; then with its seq, its state and its deliveries."""
    told = gateway.send("alice", to=["bob"], metadata={"a": 1})
    path = f"/v1/messages/{told['message_id']}"
    assert gateway.refused("alice", "GET", path, expect=404)[0] == "unknown_message"
    [message] = gateway.process()
    shown = gateway.ask("bob", "GET", path)
    assert (shown["seq"], shown["status"], shown["partially_failed"]) == (message.seq, "SENT", False)
    assert shown["payload"] == {"type": "text", "text": "hello"}
    [delivery] = shown["deliveries"]
    assert (delivery["recipient"], delivery["channel"], delivery["status"]) == ("bob", "chat4all", "SENT")
    assert gateway.refused("eve", "GET", path, expect=404)[0] == "unknown_message"
    assert gateway.refused("eve", "GET", "/v1/messages/7", expect=422) == ("malformed_uuid", "message_id")


def test_only_half_of_the_threads_wait(start: Callable[..., Driver]) -> None:
    """Beyond that a wait is answered at once, so that threads are left for those who send."""
    driver = start(gateway_threads=2)
    driver.people("alice", "bob")
    told = driver.send("alice", to=["bob"])
    began = time.monotonic()
    with driver.parts.message_waits.turn():
        driver.ask("alice", "GET", f"/v1/messages/{told['message_id']}?wait=10", expect=404)
    assert time.monotonic() - began < 5


def test_wait_returns_when_the_message_is_stored_or_the_time_is_over(gateway: Driver) -> None:
    """A wait that ends without the message is the 404 of one that does not exist."""
    told = gateway.send("alice", to=["bob"])
    began = time.monotonic()
    gateway.ask("alice", "GET", f"/v1/messages/{told['message_id']}?wait=0.2", expect=404)
    assert time.monotonic() - began >= 0.2
    gateway.process()
    gateway.ask("alice", "GET", f"/v1/messages/{told['message_id']}?wait=10")
    assert gateway.refused("alice", "GET", f"/v1/messages/{told['message_id']}?wait=11") == ("invalid", "wait")
