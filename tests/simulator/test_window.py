"""The day after a person's last message, and people who never wrote: refused where that is asked for, on a clock that moves."""

import json
from typing import Any

import pytest

from ops.simulator.server import Simulator
from tests.simulator.calling import PEOPLE, bot, graph, text
from tests.simulator.conftest import World, until

HOUR_S = 3600
BY_META = ("whatsapp", "instagram", "messenger")
OUTSIDE = {
    "whatsapp": (400, 131047, 0, "OAuthException"),
    "instagram": (403, 10, 2534022, "IGApiException"),
    "messenger": (400, 10, 2018278, "OAuthException"),
}
NOBODY = {"instagram": (400, 100, 2534014, "IGApiException"), "messenger": (400, 100, 2018001, "OAuthException")}


def told(status: int, answer: dict[str, Any]) -> tuple[int, int, int, str]:
    error = answer["error"]
    return status, error["code"], error.get("error_subcode", 0), error["type"]


async def ahead(world: World, seconds: float) -> None:
    await world.control("PUT", "/clock", json={"ahead_s": seconds})


async def write(world: World, channel: str, **more: Any) -> tuple[int, dict[str, Any]]:
    return await graph(world, channel, {**text(channel, PEOPLE[channel], "oi"), **more})


@pytest.mark.parametrize("channel", BY_META)
async def test_a_day_after_their_last_message(world: World, channel: str) -> None:
    """Within 24 hours a send is taken; after that it is refused as the provider does, until the person writes again."""
    await world.behave(channel, window="refused")
    assert told(*await write(world, channel)) == OUTSIDE[channel]
    await world.says(channel, PEOPLE[channel])
    await ahead(world, 24 * HOUR_S - 60)
    assert (await write(world, channel))[0] == 200
    await ahead(world, 24 * HOUR_S + 60)
    assert told(*await write(world, channel)) == OUTSIDE[channel]
    await world.says(channel, PEOPLE[channel])
    assert (await write(world, channel))[0] == 200
    assert len(await world.sent(channel=channel)) == 2


@pytest.mark.parametrize("channel", BY_META)
async def test_nobody_asks_for_a_window_by_default(world: World, channel: str) -> None:
    """Strangers are written to by harness and demos."""
    await ahead(world, 90 * HOUR_S)
    assert (await write(world, channel))[0] == 200


async def test_whatsapp_may_say_it_later(world: World) -> None:
    """Taken with 200, and failed by a status with code and details, as WhatsApp mostly does."""
    await world.behave("whatsapp", window="failed")
    status, answer = await write(world, "whatsapp")
    assert status == 200
    provider_id = answer["messages"][0]["id"]
    await until(lambda: world.gateway.receipts(provider_id) == ["failed"])
    assert b'"code":131047' in world.gateway.heard[-1][2]


@pytest.mark.parametrize("channel", ["instagram", "messenger"])
async def test_where_nothing_fails_later_it_is_refused(world: World, channel: str) -> None:
    """Instagram and Messenger tell no failed receipts."""
    await world.behave(channel, window="failed")
    assert told(*await write(world, channel)) == OUTSIDE[channel]


async def test_a_template_needs_no_window(world: World) -> None:
    """Only templates reach people who are silent; what they say is the template's words."""
    await world.behave("whatsapp", window="refused")
    hello = {"name": "hello_world", "language": {"code": "en_US"}}
    body = {"messaging_product": "whatsapp", "to": PEOPLE["whatsapp"], "type": "template", "template": hello}
    status, answer = await graph(world, "whatsapp", body)
    assert (status, answer["messages"][0]["message_status"]) == (200, "accepted")
    [arrived] = await world.sent()
    assert (arrived["kind"], arrived["text"]) == ("template", "Welcome and congratulations!")


@pytest.mark.parametrize("channel", ["instagram", "messenger"])
async def test_a_human_agent_has_a_week(world: World, channel: str) -> None:
    """The tag HUMAN_AGENT opens seven days, and no more."""
    await world.behave(channel, window="refused")
    await world.says(channel, PEOPLE[channel])
    agent = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    await ahead(world, 6 * 24 * HOUR_S)
    assert told(*await write(world, channel)) == OUTSIDE[channel]
    assert (await write(world, channel, **agent))[0] == 200
    await ahead(world, 8 * 24 * HOUR_S)
    assert told(*await write(world, channel, **agent)) == OUTSIDE[channel]


@pytest.mark.parametrize("channel", ["instagram", "messenger"])
async def test_strangers_can_be_unknown(world: World, channel: str) -> None:
    """With `strangers` off, somebody who never wrote is nobody, and somebody who did is written to."""
    await world.behave(channel, strangers=False)
    assert told(*await write(world, channel)) == NOBODY[channel]
    await world.says(channel, PEOPLE[channel])
    assert (await write(world, channel))[0] == 200


async def test_a_number_without_whatsapp(world: World) -> None:
    """There a stranger is a failed receipt with 131026."""
    await world.behave("whatsapp", strangers=False)
    status, answer = await write(world, "whatsapp")
    await until(lambda: world.gateway.receipts(answer["messages"][0]["id"]) == ["failed"])
    assert (status, b'"code":131026' in world.gateway.heard[-1][2]) == (200, True)


async def test_a_bot_cannot_write_first(world: World) -> None:
    """Telegram has no window, but knows no chat with whoever never wrote to the bot."""
    await world.behave("telegram", strangers=False, window="refused")
    status, answer = await bot(world, "sendMessage", chat_id=123456, text="oi")
    assert (status, answer["description"]) == (400, "Bad Request: chat not found")
    await world.says("telegram", "123456")
    await ahead(world, 1000 * HOUR_S)
    assert (await bot(world, "sendMessage", chat_id=123456, text="oi"))[0] == 200


async def test_the_clock_is_the_providers(world: World) -> None:
    """Their answers, webhooks and records have its time; a reset sets it right again."""
    before = (await world.control("GET", "/clock"))["now"]
    await ahead(world, 10_000)
    _, answer = await bot(world, "sendMessage", chat_id=123456, text="oi")
    assert answer["result"]["date"] >= before // 1000 + 10_000
    await world.says("telegram", "123456")
    await until(lambda: len(world.gateway.said) == 1)
    date = json.loads(world.gateway.heard[0][2])["message"]["date"]
    assert date >= before // 1000 + 10_000
    await world.control("DELETE", "")
    assert (await world.control("GET", "/clock"))["ahead_s"] == 0


async def test_a_setting_makes_windows_usual(world: World, unused_tcp_port_factory: Any) -> None:
    """Then every channel keeps to them from the start, after a reset, and when something else is changed."""
    second = Simulator(world.settings.model_copy(update={"simulated_windows": True}))
    await second.start(unused_tcp_port_factory())
    try:
        behave = json.dumps({"channel": "whatsapp", "delay_ms": 0}).encode()
        for method, path, body in (("GET", "stats", b""), ("PUT", "behaviour", behave), ("DELETE", "", b"")):
            second.control.call(method, path, {}, body)
            assert {each.behaviour.window for each in second.channels.values()} == {"refused"}
    finally:
        await second.close()


async def test_a_killed_simulator_knows_who_wrote(world: World, unused_tcp_port_factory: Any) -> None:
    """A window that was open stays open after a restart."""
    await world.says("whatsapp", PEOPLE["whatsapp"])
    second = Simulator(world.settings)
    await second.start(unused_tcp_port_factory())
    try:
        assert second.record.heard("whatsapp", PEOPLE["whatsapp"])
    finally:
        await second.close()
