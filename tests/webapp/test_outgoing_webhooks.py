"""Endpoints of a team's own backend, as whoever manages them sees them."""

import json
from typing import Any

import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook as Verifier

from chat4all.model.clock import now_ms
from chat4all.model.event_envelope import envelope
from chat4all.model.events import decode, encode
from chat4all.model.records import EVENTS, Range
from chat4all.ports.webhooks import Webhook, WebhookCall
from chat4all.services.seal import Seal
from chat4all.services.webhooks import own_events
from chat4all.services.webhooks.disabling import announce
from chat4all.services.webhooks.endpoints import RECOVERIES_MOST, all_webhooks
from chat4all.services.webhooks.signing import Signer
from tests.webapp.driver import Driver

URL = "https://shop.example/hook"


@pytest.fixture
def managed(gateway: Driver) -> Driver:
    """A gateway with a client that may manage, and one that may not."""
    gateway.people("alice", "bob")
    gateway.service("crm", "manage")
    gateway.service("shop", "send")
    return gateway


def made(gateway: Driver, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = gateway.ask("crm", "POST", "/v1/webhooks", {"url": URL} | more, 201)
    return body


def test_an_endpoint_is_made_shown_changed_and_deleted(managed: Driver) -> None:
    """Its secret is told at its making only, its headers' values never; a deleted one does not exist."""
    new = made(
        managed, events=["message.accepted"], headers={"X-Key": "hidden"}, filter={"channels": ["whatsapp"], "labels": ["vip"]}
    )
    assert new["secret"].startswith("whsec_")
    path = f"/v1/webhooks/{new['webhook_id']}"
    shown = managed.ask("crm", "GET", path)
    assert shown == {name: value for name, value in new.items() if name != "secret"}
    assert (shown["header_names"], shown["status"], shown["filter"]) == (
        ["X-Key"],
        "enabled",
        {"channels": ["whatsapp"], "labels": ["vip"]},
    )
    changed = managed.ask("crm", "PATCH", path, {"events": [], "throttle": 5})
    assert (changed["events"], changed["throttle"], changed["url"], changed["header_names"]) == ([], 5, URL, ["X-Key"])
    assert [each["webhook_id"] for each in managed.ask("crm", "GET", "/v1/webhooks")["webhooks"]] == [new["webhook_id"]]
    assert managed.call("crm", "DELETE", path).status_code == 204
    assert managed.call("crm", "GET", path).status_code == 404
    assert managed.ask("crm", "GET", "/v1/webhooks")["webhooks"] == []


@pytest.mark.parametrize("who", ["alice", "shop", None])
def test_only_who_manages_sees_them(managed: Driver, who: str | None) -> None:
    """Every call, with an id that exists."""
    path = f"/v1/webhooks/{made(managed)['webhook_id']}"
    calls = [("POST", "/v1/webhooks"), ("GET", "/v1/webhooks"), ("GET", path), ("PATCH", path), ("DELETE", path)]
    calls += [("POST", f"{path}/{each}") for each in ("rotate", "enable", "disable", "recover", "test")]
    calls += [("GET", f"{path}/deliveries")]
    assert {managed.call(who, *each, body={}).status_code for each in calls} == {403 if who else 401}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "http://shop.example/"}, "url"),
        ({"url": "https://user:word@shop.example/"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "ftp://shop.example/"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"url": 5}, "url"),
        ({"url": URL, "events": ["message.sent"]}, "events.0"),
        ({"url": URL, "headers": {"webhook-id": "x"}}, "headers"),
        ({"url": URL, "headers": {"Host": "x"}}, "headers"),
        ({"url": URL, "headers": {"a b": "x"}}, "headers"),
        ({"url": URL, "headers": {"a": "x\r\nb: c"}}, "headers"),
        ({"url": URL, "headers": {"a": "x", "A": "y"}}, "headers"),
        ({"url": URL, "throttle": -1}, "throttle"),
        ({"url": URL, "batch": 0}, "batch"),
        ({"url": URL, "batch": 21}, "batch"),
        ({"url": URL, "throttle": 5e-324}, "throttle"),
        ({"url": URL, "headers": {"a": "x" * 1025}}, "headers"),
        ({"url": URL, "headers": {"a" * 65: "x"}}, "headers"),
        ({"url": URL, "headers": {f"a{number}": "x" for number in range(21)}}, "headers"),
        ({"url": URL, "headers": {"accept-encoding": "gzip"}}, "headers"),
        ({"url": URL, "headers": {"a": "é"}}, "headers"),
        ({"url": URL, "filter": {"conversations": ["x"] * 101}}, "filter.conversations"),
        ({"url": URL, "filter": {"channels": ["x" * 257]}}, "filter.channels.0"),
        ({"url": URL + "x" * 2048}, "url"),
        ({"url": URL, "filter": {"phase": ["x"]}}, "filter.phase"),
        ({"url": URL, "secret": "x"}, "secret"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(managed: Driver, body: dict[str, Any], field: str) -> None:
    """422, and nothing is made."""
    problem = managed.ask("crm", "POST", "/v1/webhooks", body, 422)
    assert field in {each["field"] for each in problem["errors"]}
    assert managed.ask("crm", "GET", "/v1/webhooks")["webhooks"] == []


def test_this_machine_may_be_told_while_it_has_no_public_address(managed: Driver) -> None:
    """A developer's first try."""
    assert made(managed, url="http://localhost:3000/hook")["url"] == "http://localhost:3000/hook"
    assert made(managed, url="http://127.0.0.1:3000/hook")["url"] == "http://127.0.0.1:3000/hook"


def test_made_again_under_its_key_it_is_the_same(managed: Driver) -> None:
    """With its secret, which no answer keeps; something else under the key is refused."""

    def make(url: str) -> tuple[int, dict[str, Any]]:
        answer = managed.call("crm", "POST", "/v1/webhooks", {"url": url}, headers={"Idempotency-Key": "k"})
        return answer.status_code, json.loads(answer.get_data())

    first = make(URL)
    assert first[0] == 201
    assert make(URL) == first
    assert make("https://other.example/")[1]["code"] == "idempotency_key_reused"
    assert len(managed.ask("crm", "GET", "/v1/webhooks")["webhooks"]) == 1


def test_made_again_with_other_headers_is_something_else(managed: Driver) -> None:
    """A repetition changes nothing, and does not say that it did."""
    key = {"Idempotency-Key": "k"}
    first = managed.call("crm", "POST", "/v1/webhooks", {"url": URL, "headers": {"x-key": "one"}}, headers=key)
    again = managed.call("crm", "POST", "/v1/webhooks", {"url": URL, "headers": {"x-key": "two"}}, headers=key)
    assert (first.status_code, again.status_code) == (201, 422)


def test_headers_are_told_to_no_other_host(managed: Driver) -> None:
    """Who may change the URL would else learn values that the API tells nobody."""
    path = f"/v1/webhooks/{made(managed, headers={'x-key': 'hidden'})['webhook_id']}"
    problem = managed.ask("crm", "PATCH", path, {"url": "https://thief.example/"}, 422)
    assert problem["errors"][0]["field"] == "headers"
    assert managed.ask("crm", "PATCH", path, {"url": f"{URL}/below"})["header_names"] == ["x-key"]
    moved = managed.ask("crm", "PATCH", path, {"url": "https://other.example/", "headers": {"x-new": "own"}})
    assert moved["header_names"] == ["x-new"]


def test_what_no_key_opens_can_be_seen_rotated_and_deleted(managed: Driver) -> None:
    """The deployment's key was lost: each call says so or works, none fails on our side, and a new secret makes it well."""
    new = made(managed, headers={"x-key": "hidden"})
    path, store = f"/v1/webhooks/{new['webhook_id']}", managed.parts.store
    row = store.webhook(new["webhook_id"])
    assert row is not None
    assert store.put_webhook(replace(row, sealed=b"by-another-key", version=row.version + 1))
    assert managed.ask("crm", "GET", "/v1/webhooks")["webhooks"][0]["sealed"]
    shown = managed.ask("crm", "GET", path)
    assert (shown["sealed"], shown["header_names"]) == (True, [])
    assert managed.ask("crm", "POST", f"{path}/disable")["status"] == "disabled"
    assert managed.ask("crm", "POST", f"{path}/enable")["status"] == "enabled"
    problem = managed.ask("crm", "PATCH", path, {"headers": {"x-key": "new"}}, 409)
    assert (problem["code"], "rotate" in problem["detail"]) == ("sealed", True)
    rotated = managed.ask("crm", "POST", f"{path}/rotate", {})
    assert rotated["secret"].startswith("whsec_")
    assert "sealed" not in managed.ask("crm", "GET", path)
    assert managed.ask("crm", "PATCH", path, {"headers": {"x-key": "new"}})["header_names"] == ["x-key"]
    assert managed.call("crm", "DELETE", path).status_code == 204


def test_a_rotated_secret_and_the_one_before_it_both_verify(managed: Driver) -> None:
    """By the Standard Webhooks library; once its time is over the old one does not."""
    new = made(managed, headers={"X-Key": "hidden"})
    path, parts = f"/v1/webhooks/{new['webhook_id']}", managed.parts

    def headers() -> dict[str, str]:
        webhook = parts.store.webhook(new["webhook_id"])
        assert webhook is not None
        return dict(Signer(Seal(parts.settings)).headers(webhook, "evt_1", now_ms() // 1000, b'{"a":1}'))

    assert headers()["X-Key"] == "hidden"
    assert Verifier(new["secret"]).verify(b'{"a":1}', headers()) == {"a": 1}
    rotated = managed.ask("crm", "POST", f"{path}/rotate", {})
    assert rotated["secret"] != new["secret"]
    for secret in (new["secret"], rotated["secret"]):
        assert Verifier(secret).verify(b'{"a":1}', headers()) == {"a": 1}
    last = managed.ask("crm", "POST", f"{path}/rotate", {"old_valid_s": 0})
    assert Verifier(last["secret"]).verify(b'{"a":1}', headers()) == {"a": 1}
    with pytest.raises(Exception, match="No matching signature"):
        Verifier(rotated["secret"]).verify(b'{"a":1}', headers())


def test_secrets_are_in_the_store_sealed_only(managed: Driver) -> None:
    """Neither the secret nor a header's value can be read in the row."""
    new = made(managed, headers={"X-Key": "hidden-value"})
    webhook = managed.parts.store.webhook(new["webhook_id"])
    assert webhook is not None
    row = str(webhook)
    assert new["secret"].removeprefix("whsec_") not in row
    assert "hidden-value" not in row


def test_one_that_is_enabled_again_hears_from_then_on(managed: Driver) -> None:
    """What happened while it was disabled is for `recover`."""
    path = f"/v1/webhooks/{made(managed)['webhook_id']}"
    assert managed.ask("crm", "POST", f"{path}/disable")["reason"] == "by_hand"
    managed.ask("alice", "POST", "/v1/conversations", {"type": "group", "members": ["bob"]}, 201)
    assert managed.ask("crm", "POST", f"{path}/recover", {"since": "1h"}, 422)["errors"][0]["field"] == "webhook_id"
    assert managed.ask("crm", "POST", f"{path}/enable")["status"] == "enabled"
    webhook = managed.parts.store.webhook(path.rpartition("/")[2])
    ends = {partition: end for partition, (_, end) in managed.parts.log.ends(EVENTS).items()}
    assert webhook is not None
    assert webhook.starts == ends
    begun = managed.ask("crm", "POST", f"{path}/recover", {"since": "1h"}, 202)
    assert begun["events"] == sum(ends.values()) > 0
    again = [each for partition in ends for each in managed.parts.store.recoveries(partition)]
    assert {each.recovery_id for each in again} == {begun["recovery_id"]}
    assert managed.ask("crm", "POST", f"{path}/recover", {"since": "tomorrow"}, 422)["errors"][0]["field"] == "since"


def test_the_log_of_calls_shows_what_was_sent_and_answered(managed: Driver) -> None:
    """The newest first, page by page; what was sent is made again from the event."""
    webhook_id = made(managed)["webhook_id"]
    managed.ask("alice", "POST", "/v1/conversations", {"type": "group", "members": ["bob"]}, 201)
    partition = next(partition for partition, (_, end) in managed.parts.log.ends(EVENTS).items() if end)
    calls = [
        WebhookCall(
            webhook_id, f"{number}", 1_000 + number, "e", "conversation.created", "c", partition, 0, number, 500, answer="no"
        )
        for number in (1, 2, 3)
    ]
    managed.parts.store.log_webhook_calls(calls)
    path = f"/v1/webhooks/{webhook_id}/deliveries"
    first = managed.ask("crm", "GET", f"{path}?limit=2")
    assert [each["number"] for each in first["deliveries"]] == [3, 2]
    assert json.loads(first["deliveries"][0]["request"])["type"] == "conversation.created"
    assert (first["deliveries"][0]["response"], first["deliveries"][0]["status"]) == ("no", 500)
    rest = managed.ask("crm", "GET", f"{path}?limit=2&after={first['next']}")
    assert [each["number"] for each in rest["deliveries"]] == [1]
    assert "next" not in rest
    assert managed.call("crm", "GET", "/v1/webhooks/none/deliveries").status_code == 404


def test_the_log_of_calls_shows_a_batch(managed: Driver) -> None:
    """Whole, under one id, as long as the log has all of it; who agreed to batches may take that back."""
    webhook_id = made(managed, batch=20)["webhook_id"]
    path = f"/v1/webhooks/{webhook_id}"
    assert managed.ask("crm", "GET", path)["batch"] == 20
    assert managed.ask("crm", "PATCH", path, {"throttle": 1})["batch"] == 20
    assert managed.ask("crm", "PATCH", path, {"batch": 1})["batch"] == 1
    log = managed.parts.log
    log.append([encode(own_events.test(Webhook("w", URL), f"t{number}", 1, 1)) for number in range(3)], 5)
    call = WebhookCall(webhook_id, "1", 1, "b", "webhook.batch", offset=0, status=200, more=(1, 2))
    managed.parts.store.log_webhook_calls([call])
    [shown] = managed.ask("crm", "GET", f"{path}/deliveries")["deliveries"]
    said = json.loads(shown["request"])
    assert (said["type"], len({each["id"] for each in said["data"]["events"]})) == ("webhook.batch", 3)
    assert said["timestamp"] == max(each["timestamp"] for each in said["data"]["events"])


def test_an_endpoint_has_few_recoveries_at_once(managed: Driver) -> None:
    """One more is refused until one has ended; those of other endpoints do not count."""
    one, two = (made(managed)["webhook_id"] for _ in range(2))
    managed.ask("alice", "POST", "/v1/conversations", {"type": "group", "members": ["bob"]}, 201)
    asked = {"since": "1h"}
    for _ in range(RECOVERIES_MOST):
        managed.ask("crm", "POST", f"/v1/webhooks/{one}/recover", asked, 202)
    refused = managed.ask("crm", "POST", f"/v1/webhooks/{one}/recover", asked, 409)
    assert refused["code"] == "too_many_recoveries"
    managed.ask("crm", "POST", f"/v1/webhooks/{two}/recover", asked, 202)
    store = managed.parts.store
    under_way = [each for of in managed.parts.log.ends(EVENTS) for each in store.recoveries(of) if each.webhook_id == one]
    for each in under_way:
        if each.recovery_id == under_way[0].recovery_id:
            store.move_recovery(replace(each, position=each.until))
    managed.ask("crm", "POST", f"/v1/webhooks/{one}/recover", asked, 202)


def own(gateway: Driver) -> list[dict[str, Any]]:
    """Events about endpoints, as endpoints are told of them."""
    spans = [Range(each, first, end - 1) for each, (first, end) in gateway.parts.log.ends(EVENTS).items() if end > first]
    found = [decode(each) for each in gateway.parts.log.read(EVENTS, spans, 5)]
    return [json.loads(envelope(each).body) for each in found if each.kind == "webhook"]


def swept(gateway: Driver) -> None:
    """As the sweep does."""
    for each in all_webhooks(gateway.parts.store):
        if each.unsaid:
            announce(each, gateway.parts.store, gateway.parts.log, gateway.parts.settings.partitions)


def test_a_disabled_endpoint_is_told_to_others_once(managed: Driver) -> None:
    """By hand; to disable it again says nothing."""
    webhook_id = made(managed)["webhook_id"]
    for _ in range(2):
        managed.ask("crm", "POST", f"/v1/webhooks/{webhook_id}/disable")
    for _ in range(2):
        swept(managed)
    [said] = own(managed)
    assert (said["type"], said["data"]) == (
        "webhook.disabled",
        {"webhook_id": webhook_id, "change": "disabled", "reason": "by_hand"},
    )
    assert "conversation_id" not in said


def test_that_an_endpoint_was_disabled_is_said_before_it_is_deleted(managed: Driver) -> None:
    """And each time that it was, though nobody swept in between."""
    webhook_id = made(managed)["webhook_id"]
    for action in ("disable", "enable", "disable"):
        managed.ask("crm", "POST", f"/v1/webhooks/{webhook_id}/{action}")
    assert managed.call("crm", "DELETE", f"/v1/webhooks/{webhook_id}").status_code == 204
    swept(managed)
    assert len({each["id"] for each in own(managed)}) == len(own(managed)) == 2


def test_a_test_is_an_event_for_this_endpoint(managed: Driver) -> None:
    """Its id is told, and one that is disabled cannot be tested."""
    webhook_id = made(managed, events=["message.accepted"], filter={"channels": ["telegram"]})["webhook_id"]
    event_id = managed.ask("crm", "POST", f"/v1/webhooks/{webhook_id}/test", expect=202)["event_id"]
    [said] = own(managed)
    assert (said["id"], said["type"], said["data"]["webhook_id"]) == (event_id, "webhook.test", webhook_id)
    managed.ask("crm", "POST", f"/v1/webhooks/{webhook_id}/disable")
    assert managed.call("crm", "POST", f"/v1/webhooks/{webhook_id}/test").status_code == 422


def test_a_test_call_needs_no_body_and_is_made_once_for_its_key(managed: Driver) -> None:
    """As the client and the command line ask for it."""
    path, key = f"/v1/webhooks/{made(managed)['webhook_id']}/test", {"Idempotency-Key": "once"}
    first, again = (managed.call("crm", "POST", path, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202), first.get_data()
    assert first.get_data() == again.get_data()
