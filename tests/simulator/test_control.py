"""The control API, and what a simulator that was killed still knows."""

from typing import Any

import pytest

from chat4all.ports import Outgoing
from ops.simulator.server import Simulator
from tests.simulator.conftest import World, until

ANA, BIA = "+5511999990000", "+5511999990001"


async def test_what_arrived_is_told_in_order(world: World) -> None:
    """GET sent: in order, by channel and address however it is written, and from a place on."""
    whatsapp = world.channels["whatsapp"]
    for number, to in enumerate((ANA, BIA, ANA)):
        await whatsapp.send_text(Outgoing(to, f"n{number}", f"r{number}"))
    assert [each["text"] for each in await world.sent()] == ["n0", "n1", "n2"]
    assert [each["reference"] for each in await world.sent(channel="whatsapp", to=ANA)] == ["r0", "r2"]
    assert [each["text"] for each in await world.sent(channel="whatsapp", to=ANA[1:])] == ["n0", "n2"]
    assert [each["text"] for each in await world.sent(to=BIA)] == ["n1"]
    assert [each["text"] for each in await world.sent(after="2")] == ["n2"]
    assert await world.sent(channel="instagram") == []


async def test_people_are_heard_in_order(world: World) -> None:
    """What one person writes comes in that order, while the gateway takes webhooks badly."""
    world.gateway.refusing = 2
    for number in range(30):
        said = {"channel": "whatsapp", "from": ANA, "text": f"n{number}"}
        await world.control("POST", "/inbound", 202, json=said)
    await until(lambda: len(world.gateway.said) == 30)
    assert [each.text for each in world.gateway.said] == [f"n{number}" for number in range(30)]


async def test_the_same_may_be_said_twice(world: World) -> None:
    """A chosen provider_id repeats a webhook as providers do."""
    said = {"channel": "whatsapp", "from": ANA, "text": "oi", "provider_id": "wamid.TWICE"}
    for _ in range(2):
        await world.control("POST", "/inbound", 202, json=said)
    await until(lambda: len(world.gateway.said) == 2)
    assert {each.provider_id for each in world.gateway.said} == {"wamid.TWICE"}


async def test_webhooks_are_repeated_until_they_are_taken(world: World) -> None:
    """A gateway that is away misses nothing."""
    world.gateway.refusing = 4
    provider_id = await world.channels["whatsapp"].send_text(Outgoing(ANA, "oi", "r"))
    await until(lambda: world.gateway.receipts(provider_id) == ["sent", "delivered", "read"])
    counts = (await world.control("GET", "/stats"))["whatsapp"]
    assert counts["webhooks_refused"] == 4
    assert counts["waiting"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/inbound", {"channel": "pigeon", "from": "1", "text": "x"}),
        ("POST", "/inbound", {"channel": "whatsapp", "text": "x"}),
        ("POST", "/inbound", {"channel": "telegram", "from": "nobody", "text": "x"}),
        ("POST", "/inbound", {"channel": "telegram", "from": "123456", "text": "x", "reply_to": "that one"}),
        ("PUT", "/behaviour", {"channel": "whatsapp", "rulez": []}),
        ("PUT", "/behaviour", {"rules": []}),
        ("PUT", "/behaviour", {"channel": "whatsapp", "rules": [{"status": "often", "code": 1}]}),
        ("GET", "/everything", None),
    ],
)
async def test_a_wrong_call_is_told(world: World, method: str, path: str, body: Any) -> None:
    """422 that says what is wrong; nothing changes."""
    answer = await world.control(method, path, 422, json=body)
    assert answer["error"]
    assert (await world.control("GET", "/behaviour"))["whatsapp"]["rules"] == []


async def test_reset_forgets_all(world: World) -> None:
    """DELETE: nothing arrived, providers are well-behaved, and what waited is not told any more."""
    await world.behave(receipts={"delivered_after_ms": 60_000, "read_after_ms": 60_000})
    await world.channels["whatsapp"].send_text(Outgoing(ANA, "oi", "r"))
    await world.control("DELETE", "")
    assert await world.sent() == []
    assert (await world.control("GET", "/stats"))["whatsapp"] == {"waiting": 0}
    assert (await world.control("GET", "/behaviour"))["whatsapp"]["receipts"]["delivered_after_ms"] == 50
    provider_id = await world.channels["whatsapp"].send_text(Outgoing(ANA, "again", "r"))
    await until(lambda: world.gateway.receipts(provider_id) == ["sent", "delivered", "read"])


async def test_a_killed_simulator_has_lost_nothing(world: World, unused_tcp_port_factory: Any) -> None:
    """Another one over the same folder knows what arrived, tells the receipts that were due, and gives no id twice."""
    whatsapp = world.channels["whatsapp"]
    await world.behave(receipts={"sent_after_ms": None, "delivered_after_ms": None, "read_after_ms": None})
    settled = await whatsapp.send_text(Outgoing(ANA, "quiet", "r0"))
    await world.behave(receipts={"sent_after_ms": 60_000, "delivered_after_ms": 60_000, "read_after_ms": 60_000})
    waiting = await whatsapp.send_text(Outgoing(ANA, "kept", "r1"))
    telegram = await world.channels["telegram"].send_text(Outgoing("123456", "kept", "r2"))
    # Nobody tells the first one to stop: a killed process is not told either.
    gateway_url = world.simulator.channels["whatsapp"].outbox.url.rpartition("/channels/")[0]
    second = Simulator(world.settings, gateway_url)
    await second.start(unused_tcp_port_factory())
    try:
        assert [each.provider_id for each in second.record.sent()] == [settled, waiting, telegram]
        await until(lambda: world.gateway.receipts(waiting) == ["sent", "delivered", "read"])
        assert second.channels["whatsapp"].provider.new_id(ANA) not in {settled, waiting}
        assert second.channels["telegram"].provider.new_id("123456") > telegram
    finally:
        await second.close()
