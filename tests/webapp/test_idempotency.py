"""Requests under an Idempotency-Key that make something else than a message."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from chat4all.model.clock import now_ms
from chat4all.model.failures import Temporary
from chat4all.model.messages import body_digest
from tests.webapp.driver import Driver
from tests.webapp.uploading import Uploads
from webapp.requests.idempotency import WORKING_MS

PEOPLE = ("alice", "bob", "eve")


def keyed(driver: Driver, who: str | None, path: str, body: Any, key: str = "k") -> tuple[int, dict[str, Any]]:
    answer = driver.call(who, "POST", path, body, headers={"Idempotency-Key": key})
    return answer.status_code, json.loads(answer.data)


def _bodies(driver: Driver) -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    group = driver.group("alice", "bob")
    file = {"conversation_id": group, "filename": "a.txt", "size": 5}
    talk = {"conversation_id": group, "payload": {"type": "text", "text": "hello"}}
    return {
        "message": ("/v1/messages", talk, talk | {"payload": {"type": "text", "text": "bye"}}),
        "user": (
            "/v1/users",
            {"user_id": "z", "password": "a long password"},
            {"user_id": "z", "password": "another one 1"},
        ),
        "contact": ("/v1/users", {"user_id": "kim", "display_name": "Kim"}, {"user_id": "kim", "display_name": "Kimberly"}),
        "conversation": ("/v1/conversations", {"type": "group", "members": ["bob"]}, {"type": "group", "members": ["eve"]}),
        "file": ("/v1/files/initiate", file, file | {"size": 6}),
        "members": (f"/v1/conversations/{group}/members", {"members": ["eve"]}, {"members": ["bob"]}),
    }


@pytest.mark.parametrize("kind", ["message", "user", "contact", "conversation", "file", "members"])
def test_a_request_said_again_is_done_once_and_answered_alike(gateway: Driver, kind: str) -> None:
    """The first answer, to the letter; another body under the key is refused; the key is this client's own."""
    path, body, other = _bodies(gateway)[kind]
    gateway.service("crm", "manage")
    who = {"user": None, "contact": "crm"}.get(kind, "alice")
    first = keyed(gateway, who, path, body)
    assert first[0] in (200, 201, 202)
    assert keyed(gateway, who, path, dict(reversed(body.items()))) == first
    gateway.process()
    status, problem = keyed(gateway, who, path, other)
    assert (status, problem["code"], problem["errors"][0]["field"]) == (422, "idempotency_key_reused", "Idempotency-Key")
    if kind == "conversation":
        assert keyed(gateway, "bob", path, other)[1]["conversation_id"] != first[1]["conversation_id"]
        assert keyed(gateway, "alice", path, body, "another")[1]["conversation_id"] != first[1]["conversation_id"]


def test_what_was_refused_may_be_said_again_mended(gateway: Driver) -> None:
    """A refusal, or an outage, leaves the key free."""
    path = "/v1/conversations"
    assert keyed(gateway, "alice", path, {"type": "group", "members": ["nobody"]})[0] == 422
    body = {"type": "group", "members": ["bob"]}
    gateway.faults.fail("add_conversations", Temporary("store"))
    assert keyed(gateway, "alice", path, body)[0] == 503
    gateway.faults.mend()
    assert keyed(gateway, "alice", path, body)[0] == 201


def test_who_comes_while_it_is_worked_on_is_told_to_come_again(gateway: Driver) -> None:
    """Until then nobody knows what to answer; after a minute whoever worked on it has died."""
    path, body = "/v1/conversations", {"type": "group", "members": ["bob"]}
    with gateway.faults.instead("swap_request", lambda *_: True):
        assert keyed(gateway, "alice", path, body)[0] == 201
        assert (keyed(gateway, "alice", path, body)[1]["code"]) == "request_under_way"
    gateway.given(clock=lambda: now_ms() + WORKING_MS)
    assert keyed(gateway, "alice", path, body)[0] == 201


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_keys_that_make_no_sense_are_refused(gateway: Driver, key: str) -> None:
    """As for messages."""
    status, problem = keyed(gateway, "alice", "/v1/conversations", {"type": "group", "members": ["bob"]}, key)
    assert (status, problem["code"]) == (422, "invalid")


# What needs no key, and why.
WITHOUT_KEY = {
    "/auth/token": "a login more does no harm, and is listed",
    "/auth/refresh": "the same token within a minute is answered alike",
    "/auth/logout": "ended twice is ended",
    "/auth/session": "each login is its own",
    "/auth/session/renew": "the next turn is one, whoever repeats",
    "/channels/{channel}/webhook": "by the provider's ids",
    "/channels/{channel}/accounts/{account_id}/webhook": "by the provider's ids",
    "/channels/{channel}/apps/{app_id}/webhook": "by the provider's ids",
    "/v1/broadcasts/{broadcast_id}/pause": "paused twice is paused",
    "/v1/accounts/{account_id}/templates/read": "it only asks the provider",
    "/v1/accounts/{account_id}/templates/{name}/{language}/preview": "it changes nothing",
    "/v1/broadcasts/{broadcast_id}/audience": "an address that is listed twice is listed once",
    "/v1/broadcasts/{broadcast_id}/start": "started twice is started",
    "/v1/broadcasts/{broadcast_id}/stop": "stopped twice is stopped",
    "/v1/contacts/{contact_id}/merge": "merged twice is merged",
    "/v1/clients": "by its name: 409 the second time; a secret is told once and never kept, so a lost one is rotated",
    "/v1/clients/{name}/rotate": "the last secret counts, and whoever asks again has it",
    "/v1/contacts": "by the address: 200 the second time",
    "/v1/contacts/import": "each row by its address",
    "/v1/conversations/{conversation_id}/read": "positions only grow",
    "/v1/conversations/{conversation_id}/typing": "said again, it shows on",
    "/v1/dead-letters/{letter_id}/replay": "by the messages' ids",
    "/v1/messages/{message_id}/resend": "by the delivery, until that has failed too",
    "/v1/files/complete": "by the file",
    "/v1/saved-replies/{reply_id}/render": "nothing is sent; files of it that no message takes end by themselves",
    "/v1/stream-tickets": "a ticket more does no harm, and ends by itself",
    "/v1/users/{user_id}/disable": "by the user",
    "/v1/users/{user_id}/enable": "by the user",
    "/v1/users/{user_id}/reset-password": "the last password counts, and whoever asks again has it",
    "/v1/users/{user_id}/identities/{channel}/verify": "by the address",
    "/v1/accounts/{account_id}/check": "changes nothing at the provider",
    "/v1/accounts/{account_id}/connect": "by the account",
    "/v1/accounts/{account_id}/pause": "by the account",
    "/v1/accounts/{account_id}/resume": "by the account",
    "/v1/accounts/{account_id}/rotate": "the last credentials count",
    "/v1/workspaces": "by its id: 409 the second time; a secret is told once and never kept, so a lost one is rotated",
    "/v1/workspaces/{workspace_id}/resume": "resumed twice is resumed",
    "/v1/workspaces/{workspace_id}/rotate": "the last secret counts, and whoever asks again has it",
    "/v1/workspaces/{workspace_id}/suspend": "suspended twice is suspended",
    "/v1/webhooks/{webhook_id}/disable": "by the webhook",
    "/v1/webhooks/{webhook_id}/enable": "by the webhook",
    "/v1/webhooks/{webhook_id}/rotate": "the last secret counts, and whoever asks again has it",
}


def test_every_post_takes_a_key_or_needs_none(gateway: Driver) -> None:
    """A new one must be in one of the two lists."""
    paths = gateway.ask(None, "GET", "/openapi.json")["paths"]
    calls = {path: each["post"] for path, each in paths.items() if "post" in each}
    named = {path: {each["name"] for each in call.get("parameters", [])} for path, call in calls.items()}
    takes = {path for path, names in named.items() if "Idempotency-Key" in names}
    assert calls.keys() - takes == WITHOUT_KEY.keys()
    assert not {path for path in WITHOUT_KEY if "201" in calls[path]["responses"]} - {
        "/v1/clients",
        "/v1/contacts",
        "/v1/workspaces",
    }


def test_a_service_clients_name_is_its_key(gateway: Driver) -> None:
    """Made once; and its secret, which is in the answer, is kept nowhere for another answer."""
    gateway.service("root", "admin")
    assert keyed(gateway, "root", "/v1/clients", {"name": "shop", "scopes": ["send"]})[0] == 201
    assert keyed(gateway, "root", "/v1/clients", {"name": "shop", "scopes": ["send"]})[1]["code"] == "user_id_taken"


def test_a_batch_said_again_is_the_same_messages(gateway: Driver) -> None:
    """Each by its place; those with ids of their own keep them; other words in a place are refused there alone."""
    group, own = gateway.group("alice", "bob"), "7f1c0f9a-58b7-4f2e-9a55-0d8f3f0f2f11"

    def say(*texts: str, key: str = "k") -> list[dict[str, Any]]:
        each = [{"conversation_id": group, "payload": {"type": "text", "text": text}} for text in texts]
        each[1] |= {"message_id": own}
        status, told = keyed(gateway, "alice", "/v1/messages:batch", {"messages": each}, key)
        assert status == 200
        return list(told["results"])

    first = say("one", "two", "one")
    assert len({each["message_id"] for each in first}) == 3
    assert first[1]["message_id"] == own
    assert say("one", "two", "one") == first
    assert {each["message_id"] for each in say("one", "two", "one", key="other")} & {each["message_id"] for each in first} == {
        own
    }
    gateway.process()
    assert say("one", "two", "one") == first
    changed = say("uno", "two", "one")
    assert changed[0]["error"]["code"] == "idempotency_key_reused"
    assert changed[1:] == first[1:]
    assert len(gateway.ask("alice", "GET", f"/v1/conversations/{group}/messages")["messages"]) == 5


def test_a_form_brought_again_is_the_same_file(uploads: Uploads) -> None:
    """The same bytes under the same name; others are refused, and kept nowhere. Without a key it is another file."""
    data = bytes(range(256)) * 4000

    def bring(data: bytes, who: str = "ana", **more: str) -> tuple[int, Any]:
        answer = uploads.form(data, who, **more)
        return answer.status_code, json.loads(answer.data)

    first = bring(data, key="tea")
    assert first[0] == 201
    stored = uploads.stored()
    assert bring(data, key="tea") == first
    for status, problem in (bring(data[:-1], key="tea"), bring(data, key="tea", filename="coffee.bin")):
        assert (status, problem["code"]) == (422, "idempotency_key_reused")
    assert uploads.stored() == stored
    made = {bring(data)[1]["file_id"], bring(data, "bob", key="tea")[1]["file_id"], first[1]["file_id"]}
    assert len(made) == 3


def test_a_form_that_was_refused_or_cut_off_leaves_its_key_free(uploads: Uploads) -> None:
    """A client mends it, or brings it again."""
    assert uploads.form(b"", key="tea").status_code == 422
    uploads.driver.object_faults.fail("put", Temporary("disk"))
    assert uploads.form(b"tea", key="tea").status_code == 503
    uploads.driver.object_faults.mend()
    assert uploads.form(b"tea", key="tea").status_code == 201


def test_a_long_upload_says_that_it_goes_on(uploads: Uploads) -> None:
    """So that nobody takes it for dead, however long it takes: others are told to come again."""
    seen: list[int] = []
    uploads.driver.given(clock=lambda: 50_000 * (len(seen) + 1))

    def slowly(key: str, chunks: Iterable[bytes]) -> None:
        def slow() -> Iterator[bytes]:
            for chunk in chunks:
                yield chunk
                seen.append(uploads.form(data, key="tea").status_code)

        uploads.driver.object_faults.real.put(key, slow())

    data = bytes(1 << 20)
    uploads.driver.object_faults.answer("put", slowly)
    first = uploads.form(data, key="tea")
    assert first.status_code == 201
    assert len(seen) > 2
    assert set(seen) == {409}


def test_of_two_in_the_same_moment_one_is_done(gateway: Driver) -> None:
    """They are alike to the millisecond; still only one of them is whoever was first."""
    gateway.given(clock=lambda: 5)
    with gateway.faults.instead("swap_request", lambda *_: True):
        body = {"type": "group", "members": ["bob"]}
        assert keyed(gateway, "alice", "/v1/conversations", body)[0] == 201
        assert keyed(gateway, "alice", "/v1/conversations", body)[1]["code"] == "request_under_way"


def test_nobody_can_try_passwords_on_what_is_kept(gateway: Driver) -> None:
    """What is kept of a registration is a digest that needs the server's secret."""
    body, begun = {"user_id": "zoe", "password": "a long password"}, list[Any]()

    def begin(*given: Any) -> Any:
        begun.append(given)
        return gateway.faults.real.begin_request(*given)

    gateway.faults.answer("begin_request", begin)
    assert keyed(gateway, None, "/v1/users", body)[0] == 201
    kept = begun[-1][2]
    assert body_digest("POST", "/v1/users", body | {"display_name": ""}) not in kept
    assert "a long password" not in kept
