"""The simulated providers take signals, count them, and refuse what is none."""

from typing import Any

import pytest

from chat4all.model.content import Choices, Option
from chat4all.model.failures import Permanent
from chat4all.ports import Outgoing
from tests.simulator.conftest import World, until

CAIO = "123456"
BUSINESS = "123456@BqC_1-x"
PEOPLE = {"whatsapp": "+5511999990000", "instagram": "6789012345", "messenger": "6789012345", "telegram": BUSINESS}


async def counted(world: World, channel: str) -> dict[str, int]:
    """The signals of a channel that people saw."""
    counts = (await world.control("GET", "/stats"))[channel]
    return {kind: counts[kind] for kind in ("typing", "read", "pressed") if kind in counts}


@pytest.mark.parametrize("channel", PEOPLE)
async def test_typing_and_read_marks_are_counted(channel: str, world: World) -> None:
    """What our channel shows is what people see; it is no message."""
    address = PEOPLE[channel]
    await world.says(channel, address)
    await until(lambda: bool(world.gateway.said))
    about = world.gateway.said[0].provider_id
    for kind in ("typing", "typing", "read"):
        await world.channels[channel].signal(address, kind, about)
    assert await counted(world, channel) == {"typing": 2, "read": 1}
    assert await world.sent() == []


async def test_a_press_is_heard_once_it_was_made(world: World) -> None:
    """The answer to none is refused, and not counted."""
    channel = world.channels["telegram"]
    asked = await channel.send_content(Outgoing(CAIO, "", "telegram:0:7:0"), Choices("Tea?", (Option("y", "Yes"),)))
    press = {"type": "answer", "target": asked, "option": "telegram:0:7:0#1"}
    await world.says("telegram", CAIO, "", content=press)
    await until(lambda: bool(world.gateway.said))
    await channel.signal(CAIO, "pressed", world.gateway.said[0].press)
    with pytest.raises(Permanent):
        await channel.signal(CAIO, "pressed", "17")
    assert await counted(world, "telegram") == {"pressed": 1}


WRONG: dict[str, dict[str, Any]] = {
    "of nothing": {"status": "read"},
    "another indicator": {"status": "read", "message_id": "wamid.1", "typing_indicator": {"type": "dance"}},
}


@pytest.mark.parametrize("case", WRONG)
async def test_whatsapp_refuses_what_is_no_signal(case: str, world: World) -> None:
    """With 400, and nobody sees it."""
    url = f"{world.url('whatsapp')}/v23.0/100000000000001/messages"
    headers = {"Authorization": f"Bearer {world.secret('whatsapp_token')}"}
    async with world.session.post(url, json={"messaging_product": "whatsapp"} | WRONG[case], headers=headers) as answer:
        assert answer.status == 400
    assert await counted(world, "whatsapp") == {}
