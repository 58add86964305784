"""Broadcasts over REST: written, started, paused, stopped, and what came of them; and who wants none."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.contacts import GRANTED
from chat4all.ports import Inbound
from chat4all.services.broadcasts.steps import BroadcastSteps
from chat4all.services.contacts.consents import decide_consent
from chat4all.services.inbound.inbound_message import Arrival
from chat4all.services.inbound.opt_outs import opt_out
from tests.webapp.channels import AT
from tests.webapp.driver import Driver

CARLA = "+5511999990000"
SALE = {"payload": {"type": "text", "text": "Sale!"}, "channel": "whatsapp", "audience": {"tag": "news"}}


@pytest.fixture
def gateway(start: Callable[..., Driver]) -> Driver:
    driver = start()
    driver.people("alice")
    driver.service("crm", "send", "manage")
    driver.service("half", "manage")
    return driver


def contact(gateway: Driver, address: str = CARLA) -> str:
    """One with the tag."""
    body = {"address": f"whatsapp:{address}", "tags": ["news"]}
    made: str = gateway.ask("crm", "POST", "/v1/contacts", body, 201)["contact_id"]
    return made


def made(gateway: Driver, **more: Any) -> str:
    """A draft."""
    broadcast_id: str = gateway.ask("crm", "POST", "/v1/broadcasts", SALE | more, 201)["broadcast_id"]
    return broadcast_id


def steps(gateway: Driver, count: int = 1) -> None:
    """As the worker does, a second apart."""
    for number in range(1, count + 1):
        taken = BroadcastSteps(gateway.parts.store, gateway.parts.acceptor, partial(int, now_ms() + 1000 * number))
        for each in gateway.parts.store.running_broadcasts():
            taken.step(each)


def test_one_is_written_started_and_told(gateway: Driver) -> None:
    """Nothing is said before it is started; then each contact's result names the message."""
    carla = contact(gateway)
    name = made(gateway, name="June", rate=5, **{"from": "alice"})
    shown = gateway.ask("crm", "GET", f"/v1/broadcasts/{name}")
    assert shown.items() >= (SALE | {"state": "draft", "name": "June", "from": "alice", "rate": 5}).items()
    steps(gateway)
    assert gateway.ask("crm", "GET", f"/v1/broadcasts/{name}/results")["results"] == []
    assert gateway.ask("crm", "POST", f"/v1/broadcasts/{name}/start")["state"] == "running"
    steps(gateway, 2)
    shown = gateway.ask("crm", "GET", f"/v1/broadcasts/{name}")
    assert (shown["state"], shown["counts"]) == ("done", {"accepted": 1, "refused": 0, "skipped": 0, "waiting": 0})
    assert shown["started_at"] <= shown["ended_at"]
    [result] = gateway.ask("crm", "GET", f"/v1/broadcasts/{name}/results")["results"]
    [record] = gateway.records()
    assert (result["contact_id"], result["address"], result["message_id"]) == (carla, f"whatsapp:{CARLA}", record.message_id)
    assert (record.sender, record.metadata) == ("alice", {"broadcast_id": name})
    assert [each["broadcast_id"] for each in gateway.ask("crm", "GET", "/v1/broadcasts")["broadcasts"]] == [name]


def test_it_is_paused_and_stopped(gateway: Driver) -> None:
    """What has come to its end stays there; asking for what is so already changes nothing."""
    name = made(gateway)
    assert gateway.refused("crm", "POST", f"/v1/broadcasts/{name}/pause", expect=409)[0] == "broadcast_state"
    for change in ("start", "start", "pause", "start", "stop"):
        state = {"start": "running", "pause": "paused", "stop": "stopped"}[change]
        assert gateway.ask("crm", "POST", f"/v1/broadcasts/{name}/{change}")["state"] == state
    for change in ("start", "pause"):
        assert gateway.refused("crm", "POST", f"/v1/broadcasts/{name}/{change}", expect=409)[0] == "broadcast_state"
    assert gateway.refused("crm", "POST", "/v1/broadcasts/none/start", expect=404)[0] == "unknown_broadcast"


def test_who_writes_stop_is_told_nothing_more_until_they_write_start(gateway: Driver) -> None:
    """Alone, in whatever case; on that channel, and they only."""
    carla, dora = contact(gateway), contact(gateway, "+5511999990001")
    for number, (word, opted_out) in enumerate(
        [("please stop", []), ("Stop.", ["whatsapp"]), ("hi", ["whatsapp"]), ("START", []), (" sair ", ["whatsapp"])]
    ):
        gateway.writes("whatsapp", CARLA, word, f"wamid.{number}", at=AT + number)
        assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["opted_out"] == opted_out
    assert gateway.ask("crm", "GET", f"/v1/contacts/{dora}")["opted_out"] == []
    name = made(gateway)
    gateway.ask("crm", "POST", f"/v1/broadcasts/{name}/start")
    steps(gateway, 2)
    results = gateway.ask("crm", "GET", f"/v1/broadcasts/{name}/results")["results"]
    assert {each["contact_id"]: each["outcome"] for each in results} == {carla: "skipped", dora: "accepted"}


def test_what_is_said_in_a_group_or_by_the_business_is_no_such_word(gateway: Driver) -> None:
    """Nor what was said before the account was connected."""
    carla = contact(gateway)
    others: list[dict[str, Any]] = [{"speaker": "Dora"}, {"is_echo": True}, {"is_history": True}]
    for number, more in enumerate(others):
        part: dict[str, Any] = {"type": "inbound", "address": CARLA, "text": "STOP", "provider_id": f"wamid.{number}"}
        assert gateway.webhook("whatsapp", {**part, **more}).status_code == 200
    assert gateway.ask("crm", "GET", f"/v1/contacts/{carla}")["opted_out"] == []


def test_the_newest_word_counts_in_whatever_order_they_are_brought(gateway: Driver) -> None:
    """And however often; what the team says counts until the next word."""
    said = [("STOP", 1), ("START", 2), ("Parar", 3), ("hello", 4)]
    for number, order in enumerate(permutations(said)):
        store, user_id = gateway.parts.store, f"c-{number}"
        for word, at in [*order, *order]:
            opt_out(store, [Arrival(Inbound("whatsapp", "1", f"{number}.{at}", "+55", word, at), user_id)])
        assert store.profiles([user_id])[user_id].opted_out == ["whatsapp"]
        decide_consent(store, user_id, "whatsapp", GRANTED, "crm")
        opt_out(store, [Arrival(Inbound("whatsapp", "1", f"{number}.3", "+55", "STOP", 3), user_id)])
        assert store.profiles([user_id])[user_id].opted_out == []
        opt_out(store, [Arrival(Inbound("whatsapp", "1", f"{number}.5", "+55", "STOP", now_ms() + 9), user_id)])
        assert store.profiles([user_id])[user_id].opted_out == ["whatsapp"]


def test_the_same_key_is_the_same_broadcast(gateway: Driver) -> None:
    """Another body under it is refused."""
    headers = {"Idempotency-Key": "june"}
    one, two = (gateway.call("crm", "POST", "/v1/broadcasts", SALE, headers=headers) for _ in range(2))
    assert one.status_code == two.status_code == 201
    assert one.data == two.data
    other = gateway.call("crm", "POST", "/v1/broadcasts", SALE | {"rate": 7}, headers=headers)
    assert other.status_code in (409, 422)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"channel": "pigeon"}, "channel"),
        ({"audience": {"tag": "two words"}}, "audience.tag"),
        ({"audience": {}}, "audience"),
        ({"audience": {"tag": ""}}, "audience.tag"),
        ({"audience": {"tag": "news", "addresses": [CARLA]}}, "audience"),
        ({"audience": {"addresses": [CARLA, "?"]}}, "audience.addresses.1"),
        ({"audience": {"addresses": [f"telegram:{CARLA}"]}}, "audience.addresses.0"),
        ({"quiet_hours": {"from": "9:00", "until": "08:00"}}, "quiet_hours.from"),
        ({"quiet_hours": {"from": "09:00", "until": "09:00"}}, "quiet_hours.until"),
        ({"quiet_hours": {"from": "09:00", "until": "10:00", "time_zone": "Mars"}}, "quiet_hours.time_zone"),
        ({"rate": 0}, "rate"),
        ({"rate": 501}, "rate"),
        ({"from": "nobody"}, "from"),
        ({"payload": {"type": "text", "text": ""}}, "payload.text"),
        ({"payload": {"type": "text"}}, "payload.text.text"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_is_named(gateway: Driver, wrong: dict[str, Any], field: str) -> None:
    """422 with the field; nothing is kept."""
    assert gateway.refused("crm", "POST", "/v1/broadcasts", SALE | wrong)[1] == field
    assert gateway.ask("crm", "GET", "/v1/broadcasts")["broadcasts"] == []


def test_it_needs_both_scopes(gateway: Driver) -> None:
    """People and clients who may not send for others see none."""
    for who in ("alice", "half"):
        assert gateway.call(who, "POST", "/v1/broadcasts", SALE).status_code == 403
        assert gateway.call(who, "GET", "/v1/broadcasts").status_code == 403


def test_a_list_is_given_with_it_and_behind_it(gateway: Driver) -> None:
    """As JSON and as CSV, before it is started; each is told once."""
    name = made(gateway, audience={"addresses": [CARLA]}, quiet_hours={"from": "03:00", "until": "03:01"})
    place = f"/v1/broadcasts/{name}/audience"
    added = gateway.ask("crm", "POST", place, {"addresses": [f"whatsapp:{CARLA}", "+5511999990001"]})
    assert added == {"addresses": 2}
    table = "name,address\r\nDora,+5511999990002\r\n"
    sent = gateway.call("crm", "POST", place, table.encode(), headers={"Content-Type": "text/csv"})
    assert (sent.status_code, sent.get_json()) == (200, {"addresses": 1})
    for bad in (b"name\nDora\n", b"name,address\nDora\n", b"\xff"):
        refused = gateway.call("crm", "POST", place, bad, headers={"Content-Type": "text/csv"})
        assert (refused.status_code, refused.get_json()["errors"][0]["field"]) == (422, "addresses")
    shown = gateway.ask("crm", "POST", f"/v1/broadcasts/{name}/start")
    assert (shown["audience"], shown["quiet_hours"]["time_zone"]) == ({"listed": True}, "UTC")
    assert gateway.refused("crm", "POST", place, {"addresses": [CARLA]}, 409)[0] == "broadcast_state"
    steps(gateway, 2)
    results = gateway.ask("crm", "GET", f"/v1/broadcasts/{name}/results?limit=2")
    more = gateway.ask("crm", "GET", f"/v1/broadcasts/{name}/results?limit=2&after={results['next'].replace('+', '%2B')}")
    told = [each["address"] for each in results["results"] + more["results"]]
    assert told == [f"whatsapp:+551199999000{number}" for number in range(3)]
    assert len(gateway.records()) == 3
    other = made(gateway)
    assert (
        gateway.refused("crm", "POST", f"/v1/broadcasts/{other}/audience", {"addresses": [CARLA]}, 409)[0]
        == "broadcast_audience"
    )


def test_it_says_what_it_would_cost(gateway: Driver, tmp_path: Path) -> None:
    """By country, without whom it passes over; what has no price is counted."""
    table = tmp_path / "prices.csv"
    table.write_text("channel,country,category,price,currency,valid_from\nwhatsapp,BR,service,0.005,USD,2026-10-01\n")
    gateway.given(settings=gateway.parts.settings.model_copy(update={"prices": str(table)}))
    name = made(gateway, audience={"addresses": [CARLA, "+5511999990001", "+4915112345678"]})
    gateway.writes("whatsapp", "+5511999990001", "STOP", "wamid.1")
    assert gateway.ask("crm", "GET", f"/v1/broadcasts/{name}/estimate") == {
        "category": "service",
        "messages": 2,
        "passed_over": 1,
        "unpriced": 1,
        "complete": True,
        "totals": [{"currency": "USD", "amount": "0.005"}],
        "countries": [
            {
                "country": "BR",
                "messages": 1,
                "price": "0.005",
                "currency": "USD",
                "valid_from": "2026-10-01",
                "amount": "0.005",
            },
            {"country": "DE", "messages": 1},
        ],
    }
    table.write_text("what\n")
    assert gateway.refused("crm", "GET", f"/v1/broadcasts/{name}/estimate", expect=409)[0] == "prices_unreadable"


def test_it_says_what_waits_for_the_accounts_day(gateway: Driver) -> None:
    """Beforehand as an estimate; while it runs, until when nobody has their turn."""
    channel = gateway.parts.channels["whatsapp"]
    cast("Any", channel).limits = replace(channel.limits, people_per_day=2)
    name = made(gateway, audience={"addresses": [f"+551199999000{number}" for number in range(5)]}, rate=500)
    estimate = gateway.ask("crm", "GET", f"/v1/broadcasts/{name}/estimate")
    assert estimate["daily_budget"] == {"people_per_day": 2, "left": 2, "waits_days": 2}
    assert "waits" not in gateway.ask("crm", "POST", f"/v1/broadcasts/{name}/start")
    steps(gateway, 2)
    shown = gateway.ask("crm", "GET", f"/v1/broadcasts/{name}")
    assert (shown["counts"]["accepted"], shown["waits"]["reason"], shown["state"]) == (2, "daily_budget", "running")
    day = timedelta(days=1)
    assert day - timedelta(minutes=1) < datetime.fromisoformat(shown["waits"]["until"]) - datetime.now(UTC) <= day * 25 / 24
    assert gateway.ask("crm", "GET", f"/v1/broadcasts/{name}/estimate")["daily_budget"]["left"] == 0
    assert "waits" not in gateway.ask("crm", "POST", f"/v1/broadcasts/{name}/pause")
