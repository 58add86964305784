"""A message that is known is the same message, whatever has changed since; and nobody takes another's id."""

import json
import threading
from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import pytest

from chat4all.model.ids import contact_id, made_id, provider_message_id
from tests.webapp.driver import Driver
from tests.webapp.uploading import Uploads

PEOPLE = ("alice", "bob", "eve")
CLIENTS = {"crm": ("send", "manage")}
CARLA, DORA = "+5511999990000", "+5511999990001"
SAME = "7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11"


def text(words: str = "hello", **more: Any) -> dict[str, Any]:
    return {"message_id": str(uuid4()), "payload": {"type": "text", "text": words}, **more}


def _leaves(driver: Driver, group: str) -> None:
    driver.ask("alice", "DELETE", f"/v1/conversations/{group}/members/alice", expect=204)


def _shorter(driver: Driver, _group: str) -> None:
    driver.parts.acceptor._settings = driver.parts.settings.model_copy(update={"text_limit": 1})


def _no_channels(driver: Driver, _group: str) -> None:
    driver.parts.acceptor._channels = {}


@pytest.mark.parametrize("changed", [_leaves, _shorter, _no_channels])
def test_what_was_accepted_is_accepted_again_whatever_has_changed(
    gateway: Driver, changed: Callable[[Driver, str], None]
) -> None:
    """Membership, limits and channels are looked at once: a refusal of the repetition would read as "not sent"."""
    group = gateway.group("crm", "alice", "bob", f"whatsapp:{CARLA}")
    body = text(conversation_id=group, channels=["whatsapp"])
    told = gateway.ask("alice", "POST", "/v1/messages", body, 202)
    gateway.process()
    changed(gateway, group)
    assert gateway.ask("alice", "POST", "/v1/messages", body, 202) == told
    assert len(gateway.records()) == 1
    assert gateway.call("alice", "POST", "/v1/messages", text(conversation_id=group, channels=["whatsapp"])).status_code >= 400


def test_in_a_batch_the_known_and_the_refused_stand_side_by_side(gateway: Driver) -> None:
    """The one is accepted again, the other is not, and neither touches the other."""
    group = gateway.group("crm", "alice", "bob")
    known, new = text(conversation_id=group), text(conversation_id=group)
    gateway.ask("alice", "POST", "/v1/messages", known, 202)
    gateway.process()
    _leaves(gateway, group)
    results = gateway.ask("alice", "POST", "/v1/messages:batch", {"messages": [known, new, known]})["results"]
    assert [each["status"] for each in results] == ["accepted", "error", "accepted"]


def test_who_was_never_there_does_not_learn_that_an_id_is_taken(gateway: Driver) -> None:
    """A stranger hears of the conversation that does not exist for them, not of the id in it."""
    private = gateway.private("alice", "bob")
    body = text(conversation_id=private)
    gateway.ask("alice", "POST", "/v1/messages", body, 202)
    gateway.process()
    for given in (body, text(conversation_id=private)):
        assert gateway.refused("eve", "POST", "/v1/messages", given, 404)[0] == "unknown_conversation"
    assert gateway.refused("bob", "POST", "/v1/messages", body, 409)[0] == "message_id_conflict"


def _given_to_eve(driver: Driver) -> None:
    driver.ask("crm", "PUT", "/v1/users/eve/identities/whatsapp", {"address": CARLA})


def _given_up(driver: Driver) -> None:
    _given_to_eve(driver)
    driver.ask("crm", "DELETE", f"/v1/users/eve/identities/whatsapp?address=%2B{CARLA[1:]}")


@pytest.mark.parametrize("changed", [_given_to_eve, _given_up])
def test_a_message_to_an_address_is_known_when_that_has_changed_hands(
    gateway: Driver, changed: Callable[[Driver], None]
) -> None:
    """The first went to whoever had it then; its repetition does not go to whoever has it now."""
    body = text(to=[f"whatsapp:{CARLA}"], **{"from": "alice"})
    told = gateway.ask("crm", "POST", "/v1/messages", body, 202)
    gateway.process()
    changed(gateway)
    assert gateway.ask("crm", "POST", "/v1/messages", body, 202) == told
    assert len(gateway.records()) == 1


def test_a_file_that_expired_since_is_not_looked_at_again(uploads: Uploads) -> None:
    """The message has it."""
    file_id = uploads.whole(b"tea")
    body = {
        "message_id": str(uuid4()),
        "conversation_id": uploads.conversation,
        "payload": {"type": "file", "file_id": file_id},
    }
    told = uploads.driver.ask("ana", "POST", "/v1/messages", body, 202)
    uploads.driver.process()
    uploads.driver.faults.answer("files", lambda _ids: {})
    assert uploads.driver.ask("ana", "POST", "/v1/messages", body, 202) == told
    assert len(uploads.driver.records()) == 1


def test_a_copy_of_what_is_refused_is_refused(uploads: Uploads) -> None:
    """A file that expires just now: neither of the two copies in a batch is accepted, for the log has neither."""
    body = {
        "message_id": str(uuid4()),
        "conversation_id": uploads.conversation,
        "payload": {"type": "file", "file_id": uploads.whole(b"tea")},
    }
    uploads.driver.faults.answer("hold_objects", lambda wanted, _at: [False] * len(wanted))
    results = uploads.driver.ask("ana", "POST", "/v1/messages:batch", {"messages": [body, body]})["results"]
    assert [each["status"] for each in results] == ["error", "error"]
    assert uploads.driver.records() == []


def _keyed(driver: Driver, who: str, key: str, *, words: str = "hello", **more: Any) -> tuple[int, dict[str, Any]]:
    body = {"payload": {"type": "text", "text": words}, **more}
    answer = driver.call(who, "POST", "/v1/messages", body, headers={"Idempotency-Key": key})
    return answer.status_code, json.loads(answer.data)


@pytest.mark.parametrize("key", ["order-1234", "a b", "1" * 255, '"quoted"'])
def test_a_request_said_again_under_its_key_is_one_message(gateway: Driver, key: str) -> None:
    """Stored or not, the same message; the other sender's under the same key is another."""
    first = _keyed(gateway, "alice", key, to=["bob"])
    assert first[0] == 202
    assert UUID(first[1]["message_id"]).version == 8
    assert _keyed(gateway, "alice", key, to=["bob"]) == first
    gateway.process()
    assert _keyed(gateway, "alice", key, to=["bob"]) == first
    assert _keyed(gateway, "eve", key, to=["bob"])[1]["message_id"] != first[1]["message_id"]
    assert len({each.message_id for each in gateway.records()}) == 2


@pytest.mark.parametrize("other", [{"words": "another"}, {"to": ["eve"]}, {"metadata": {"a": 1}}, {"channels": ["all"]}])
def test_a_key_of_another_request_is_refused(gateway: Driver, other: dict[str, Any]) -> None:
    """Other words, and other recipients too: a key is one message in one conversation."""
    _keyed(gateway, "alice", "k", to=["bob"])
    gateway.process()
    changed: dict[str, Any] = {"to": ["bob"]} | other
    status, problem = _keyed(gateway, "alice", "k", **changed)
    assert (status, problem["code"]) == (422, "idempotency_key_reused")
    assert len(gateway.records()) == 1


def test_a_key_finds_its_message_after_the_address_has_another_owner(gateway: Driver) -> None:
    """The request named an address; whoever has it now gets nothing by its repetition."""
    first = _keyed(gateway, "crm", "k", to=[f"whatsapp:{CARLA}"], **{"from": "alice"})
    gateway.process()
    gateway.ask("crm", "PUT", "/v1/users/eve/identities/whatsapp", {"address": CARLA})
    assert _keyed(gateway, "crm", "k", to=[f"whatsapp:{CARLA}"], **{"from": "alice"}) == first
    assert len(gateway.records()) == 1


@pytest.mark.parametrize(("key", "more"), [("", {}), ("x" * 256, {}), ("k", {"message_id": SAME})])
def test_keys_that_make_no_sense_are_refused(gateway: Driver, key: str, more: dict[str, Any]) -> None:
    """Empty, too long, and beside a message_id."""
    status, problem = _keyed(gateway, "alice", key, to=["bob"], **more)
    assert (status, problem["code"], problem["errors"][0]["field"]) == (422, "invalid", "Idempotency-Key")


RESERVED = [str(uuid5(NAMESPACE_URL, "x")), made_id("x"), made_id("x").upper(), str(UUID(int=uuid4().int, version=5))]


@pytest.mark.parametrize("message_id", RESERVED)
def test_ids_of_ours_cannot_be_chosen(gateway: Driver, message_id: str) -> None:
    """For a message, alone or in a batch, for a conversation, and for a user."""
    body = text(to=["bob"]) | {"message_id": message_id}
    assert gateway.refused("alice", "POST", "/v1/messages", body) == ("reserved_message_id", "message_id")
    [result] = gateway.ask("alice", "POST", "/v1/messages:batch", {"messages": [body]})["results"]
    assert result["error"]["code"] == "reserved_message_id"
    founding = {"type": "group", "members": ["bob"], "conversation_id": message_id}
    assert gateway.refused("alice", "POST", "/v1/conversations", founding)[0] == "reserved_conversation_id"
    registering = {"user_id": message_id, "password": "correct horse"}
    assert gateway.refused(None, "POST", "/v1/users", registering)[0] == "bad_user_id"
    assert gateway.records() == []


def test_a_contacts_next_message_cannot_be_made_to_disappear(gateway: Driver) -> None:
    """Who was faster under the id that it would have had, before such ids were refused, changes nothing about it either."""
    first = gateway.writes("whatsapp", CARLA, "one", "p1")
    gateway.ask("crm", "PUT", f"/v1/conversations/{first.conversation_id}/links/whatsapp/{CARLA}")
    for name in (f"chat4all:message:whatsapp:whatsapp-account:{number}" for number in ("p1", "p2")):
        body = text("mine", conversation_id=first.conversation_id, **{"from": "inbox-whatsapp"})
        assert gateway.refused("crm", "POST", "/v1/messages", body | {"message_id": str(uuid5(NAMESPACE_URL, name))})[0] == (
            "reserved_message_id"
        )
    second = gateway.writes("whatsapp", CARLA, "two", "p2")
    assert second.message_id == provider_message_id("whatsapp", "whatsapp-account", "p2")
    assert UUID(second.message_id).version == 8


def test_one_id_under_two_forms_of_one_person_is_one_message(gateway: Driver) -> None:
    """At the same instant, from two webhooks: both records are the same message of the same sender, so one is dropped."""
    part = {"type": "inbound", "text": "hi", "provider_id": "p1"}
    threads = [threading.Thread(target=gateway.webhook, args=("whatsapp", part | {"address": each})) for each in (CARLA, DORA)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    records = gateway.records()
    assert len({(each.message_id, each.conversation_id, each.sender, each.digest) for each in records}) == 1
    gateway.process()
    assert gateway.webhook("whatsapp", part | {"address": DORA}).status_code == 200
    assert len({each.conversation_id for each in gateway.records()}) == 1


def test_what_we_resolve_differently_next_time_is_still_the_same_message(gateway: Driver) -> None:
    """The digest is over what the provider brought: another name, a second address, another signed link is no conflict."""
    part = {
        "type": "inbound",
        "address": CARLA,
        "text": "look",
        "provider_id": "p1",
        "media": "url?sig=1",
        "mime_type": "image/png",
    }
    assert gateway.webhook("whatsapp", part).status_code == 200
    again = part | {"media": "url?sig=2", "sender_name": "Carla", "also_known_as": "US.1"}
    assert gateway.webhook("whatsapp", again).status_code == 200
    first, second = gateway.records()
    assert (first.message_id, first.digest) == (second.message_id, second.digest)


def test_a_contact_known_by_its_computed_id_does_not_exist_for_others(gateway: Driver) -> None:
    """Whether a number is a contact cannot be told from any answer to somebody who may not know addresses."""
    gateway.writes("whatsapp", CARLA, "hello", "p1")
    here, gone = contact_id("whatsapp", CARLA), contact_id("whatsapp", DORA)
    asked: list[tuple[str, str, Callable[[str], Any]]] = [
        ("POST", "/v1/messages", lambda who: {"to": [who], "message_id": SAME, "payload": {"type": "text", "text": "x"}}),
        ("POST", "/v1/conversations", lambda who: {"type": "private", "members": [who]}),
        ("POST", "/v1/conversations", lambda who: {"type": "group", "members": [who, "bob"]}),
        ("POST", f"/v1/conversations/{gateway.group('alice', 'bob')}/members", lambda who: {"members": [who]}),
    ]
    for method, path, body in asked:
        answers = [gateway.call("alice", method, path, body(who)) for who in (here, gone)]
        assert [(each.status_code, each.data) for each in answers] == [(answers[0].status_code, answers[0].data)] * 2
        assert answers[0].status_code == 422


def test_whether_an_address_is_taken_is_not_told(gateway: Driver) -> None:
    """Asking for a code for a free address, a contact's and another user's is answered alike."""
    gateway.ask("crm", "PUT", "/v1/users/bob/identities/whatsapp", {"address": CARLA})
    gateway.writes("whatsapp", DORA, "hello", "p1")
    told = []
    for address in (CARLA, DORA, "+5511999990002"):
        body = gateway.ask("alice", "PUT", "/v1/users/alice/identities/whatsapp", {"address": address})
        told.append({name: value for name, value in body.items() if name != "address"})
    assert told == [told[0]] * 3
    proof = {"address": CARLA, "code": "000000"}
    assert gateway.refused("alice", "POST", "/v1/users/alice/identities/whatsapp/verify", proof)[0] == "wrong_code"


def test_an_id_is_looked_up_within_a_conversation(gateway: Driver) -> None:
    """Who says the victim's id in a conversation of their own shadows nothing: the victim is asked which is meant."""
    body = text("the victim's", to=["bob"])
    told = gateway.ask("alice", "POST", "/v1/messages", body, 202)
    path = f"/v1/messages/{told['message_id']}"
    trap = gateway.group("eve", "alice")
    gateway.ask(
        "eve",
        "POST",
        "/v1/messages",
        body | {"to": None, "conversation_id": trap, "payload": {"type": "text", "text": "evil"}},
        202,
    )
    gateway.process()
    problem = gateway.ask("alice", "GET", path, expect=409)
    assert (problem["code"], problem["conversations"]) == ("ambiguous_message_id", sorted([told["conversation_id"], trap]))
    assert gateway.ask("bob", "GET", path)["payload"]["text"] == "the victim's"
    assert gateway.ask("eve", "GET", path)["payload"]["text"] == "evil"
    for name, words in ((told["conversation_id"], "the victim's"), (trap, "evil")):
        assert gateway.ask("alice", "GET", f"{path}?conversation_id={name}")["payload"]["text"] == words
    assert gateway.refused("bob", "GET", f"{path}?conversation_id={trap}", expect=404)[0] == "unknown_message"
    assert gateway.refused("bob", "GET", f"{path}?conversation_id=x") == ("malformed_uuid", "conversation_id")
