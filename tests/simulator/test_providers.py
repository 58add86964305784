"""The simulated providers speak what the channels speak: endpoints, receipts, people, refusals."""

import time
from collections import Counter
from typing import Any

import pytest
from aiohttp import web

from chat4all.channels import CHANNELS
from chat4all.model.content import Media
from chat4all.model.failures import Permanent, Temporary, Throttled, Unknown
from chat4all.ports import FileLink, Outgoing
from tests.channels.conftest import serving
from tests.simulator.conftest import World, until

ADDRESSES = {"whatsapp": "+5511999990000", "instagram": "6789012345", "telegram": "123456", "messenger": "6789012346"}
TOLD = {"whatsapp": ["sent", "delivered", "read"], "instagram": ["read"], "telegram": [], "messenger": ["sent", "delivered"]}
QUICK = {"delivered_after_ms": 1, "read_after_ms": 2}


def outgoing(channel: str, text: str = "oi", number: int = 0) -> Outgoing:
    return Outgoing(ADDRESSES[channel], text, f"{channel}:0:{number}:0")


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_message_arrives_and_is_read(world: World, channel: str) -> None:
    """What a channel sends is in the record with the id that it was given, and the receipts that the provider has come back."""
    provider_id = await world.channels[channel].send_text(outgoing(channel))
    [arrived] = await world.sent(channel=channel, to=ADDRESSES[channel])
    assert (arrived["provider_id"], arrived["text"]) == (provider_id, "oi")
    await until(lambda: world.gateway.receipts(provider_id) == TOLD[channel])


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_person_writes_and_is_answered(world: World, channel: str) -> None:
    """What a person writes comes by a signed webhook, with who they are and what they answer."""
    ours = await world.channels[channel].send_text(outgoing(channel))
    said = {"channel": channel, "from": ADDRESSES[channel], "text": "olá", "name": "Ana", "reply_to": ours}
    answer = await world.control("POST", "/inbound", 202, json=said)
    await until(lambda: len(world.gateway.said) == 1)
    [told] = world.gateway.said
    assert (told.address, told.text, told.reply_to) == (ADDRESSES[channel], "olá", ours)
    assert told.provider_id == answer["provider_id"]
    assert told.account == world.channels[channel].account.account_id


@pytest.mark.parametrize("channel", CHANNELS)
async def test_who_connects_is_told_who_they_are(world: World, channel: str) -> None:
    """The simulated account answers to `connect`, with and without a public address."""
    for url in ("", "https://chat.example/hook"):
        assert "imulated" in await world.channels[channel].connect(url)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_too_many_requests(world: World, channel: str) -> None:
    """A 429 with retry_after is Throttled for exactly so long, as often as the rule says, and nothing arrived meanwhile."""
    code = {"whatsapp": 130429, "telegram": 429}.get(channel, 613)
    await world.behave(channel, rules=[{"status": 429, "code": code, "retry_after": 3, "times": 1}])
    with pytest.raises(Throttled) as caught:
        await world.channels[channel].send_text(outgoing(channel))
    assert caught.value.retry_after == 3
    assert await world.sent(channel=channel) == []
    await world.channels[channel].send_text(outgoing(channel))
    assert len(await world.sent(channel=channel)) == 1


@pytest.mark.parametrize(
    ("channel", "code", "reason"),
    [("whatsapp", 131047, "outside_window"), ("instagram", 10, "outside_window"), ("telegram", 403, "blocked")],
)
async def test_some_people_cannot_be_written_to(world: World, channel: str, code: int, reason: str) -> None:
    """A rule for one address refuses that one for good, and nobody else."""
    await world.behave(channel, rules=[{"match": ADDRESSES[channel], "status": 403, "code": code}])
    with pytest.raises(Permanent) as caught:
        await world.channels[channel].send_text(outgoing(channel))
    assert caught.value.reason == reason
    await world.channels[channel].send_text(Outgoing(ADDRESSES[channel][:-1] + "9", "oi", "r"))


async def test_a_message_may_fail_later(world: World) -> None:
    """Taken with 200 and failed by a receipt, as WhatsApp does outside the window."""
    await world.behave(rules=[{"match": "late", "status": 200, "code": 131047}], receipts=QUICK)
    provider_id = await world.channels["whatsapp"].send_text(outgoing("whatsapp", "too late"))
    await until(lambda: world.gateway.receipts(provider_id) == ["failed"])


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_lost_answer(world: World, channel: str) -> None:
    """The message arrived and the caller cannot know: Unknown. Where the provider echoes it, the receipt has our reference."""
    await world.behave(channel, drop_response_rate=1, receipts=QUICK)
    with pytest.raises(Unknown):
        await world.channels[channel].send_text(outgoing(channel, number=7))
    [arrived] = await world.sent(channel=channel)
    await until(lambda: world.gateway.receipts(arrived["provider_id"]) == TOLD[channel])
    if world.channels[channel].limits.echoes_reference:
        references = {getattr(each, "reference", "") for each in world.gateway.updates}
        assert f"{channel}:0:7:0" in references


async def test_a_slow_provider_is_unknown_too(world: World) -> None:
    """An answer after the caller's time limit: it may have happened."""
    await world.behave(delay_ms=60_000)
    with pytest.raises(Unknown):
        await world.channels["whatsapp"].send_text(outgoing("whatsapp"))


async def test_server_errors_by_chance(world: World) -> None:
    """A rate refuses about so many; the others arrive once each."""
    await world.behave(rules=[{"status": 500, "code": 131000, "rate": 0.5}], receipts=QUICK)
    refused = 0
    for number in range(40):
        try:
            await world.channels["whatsapp"].send_text(outgoing("whatsapp", f"n{number}"))
        except Temporary:
            refused += 1
    assert 0 < refused < 40
    assert len(await world.sent()) == 40 - refused


async def test_limits_are_kept_when_asked_for(world: World) -> None:
    """With limits on, a second send to one person comes too soon, to another it does not, and the account has its own."""
    await world.behave(limits={"recipient_interval_s": 60, "recipient_burst": 1})
    channel = world.channels["whatsapp"]
    await channel.send_text(outgoing("whatsapp"))
    with pytest.raises(Throttled) as caught:
        await channel.send_text(outgoing("whatsapp"))
    assert caught.value.reason == "pair_rate_limit"
    await channel.send_text(Outgoing("+5511999990001", "oi", "r"))
    await world.behave(limits={"account_per_second": 0.001})
    await channel.send_text(outgoing("whatsapp"))
    with pytest.raises(Throttled) as caught:
        await channel.send_text(Outgoing("+5511999990002", "oi", "r"))
    assert caught.value.reason == "rate_limit"


async def test_odd_receipts(world: World) -> None:
    """Twice, in any order and before the answer: as providers do at their worst, and all of them come."""
    await world.behave(receipts={**QUICK, "duplicate": True, "shuffle": True, "before_response": True})
    provider_id = await world.channels["whatsapp"].send_text(outgoing("whatsapp"))
    told = world.gateway.receipts(provider_id)
    assert Counter(told) == {"sent": 2, "delivered": 2, "read": 2}


async def test_receipts_may_stay_away(world: World) -> None:
    """A person whose phone is off: taken, and never delivered."""
    await world.behave(receipts={"delivered_after_ms": None, "read_after_ms": None})
    provider_id = await world.channels["whatsapp"].send_text(outgoing("whatsapp"))
    await until(lambda: world.gateway.receipts(provider_id) == ["sent"])
    assert (await world.control("GET", "/stats"))["whatsapp"]["waiting"] == 0


async def test_many_receipts_share_a_webhook(world: World) -> None:
    """Under load a webhook carries many updates."""
    await world.behave(receipts=QUICK)
    for number in range(200):
        await world.channels["whatsapp"].send_text(outgoing("whatsapp", number=number))
    await until(lambda: len(world.gateway.updates) == 600)
    assert world.gateway.webhooks < 300


async def test_a_telegram_bot_may_poll(world: World) -> None:
    """Fetched updates come again until the next fetch acknowledges them, and not after that."""
    bot = world.channels["telegram"]
    bot.polls = True
    await bot.connect("")
    for text in ("one", "two"):
        await world.control("POST", "/inbound", 202, json={"channel": "telegram", "from": "123456", "text": text})
    first = [update for body in await bot.poll() for update in bot.read_webhook(body)]
    assert [getattr(each, "text", "") for each in first] == ["one", "two"]
    await world.control("POST", "/inbound", 202, json={"channel": "telegram", "from": "123456", "text": "three"})
    later = [update for body in await bot.poll() for update in bot.read_webhook(body)]
    assert [getattr(each, "text", "") for each in later] == ["three"]
    bot.polls = False
    await bot.connect("https://chat.example/hook")
    with pytest.raises(Temporary) as caught:
        await bot.poll()
    assert caught.value.reason == "another_receiver"


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_file_arrives_as_its_link(world: World, channel: str) -> None:
    """A file is taken with its link; without one, and a text without words, are refused for good."""
    opened, file = world.channels[channel], Media(file_id="f", filename="cat.png", mime_type="image/png", size=5)

    async def behind(_request: Any) -> web.Response:
        return web.Response(body=b"PNG..", content_type="image/png")

    async with serving(behind) as url:
        provider_id = await opened.send_file(outgoing(channel, ""), file, FileLink(f"{url}/1"))
        [arrived] = await world.sent(channel=channel)
    assert (arrived["provider_id"], arrived["media"], arrived["kind"] in {"image", "photo"}) == (provider_id, f"{url}/1", True)
    with pytest.raises(Permanent):
        await opened.send_file(outgoing(channel, ""), file, FileLink(""))
    with pytest.raises(Permanent):
        await opened.send_text(outgoing(channel, ""))


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_wrong_token_is_refused(world: World, channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bearer tokens are checked: nothing arrives from who does not know ours."""
    path = {"telegram": "/telegram/bot1:guess/sendMessage"}.get(channel, f"/{channel}/v23.0/1/messages")
    url = world.settings.simulator_url + path
    async with world.session.post(url, json={}, headers={"Authorization": "Bearer guess"}) as response:
        assert response.status == 401
    assert await world.sent() == []


async def test_one_account_of_a_provider_may_behave_otherwise(world: World) -> None:
    """A rule for one number refuses or delays what that number sends, and nothing of another."""
    channel = world.channels["whatsapp"]
    account = channel.account.account_id
    await world.behave("whatsapp", rules=[{"status": 429, "code": 130429, "account": "999", "retry_after": 3}])
    await channel.send_text(outgoing("whatsapp", "one"))
    late = {"status": 200, "code": 0, "account": account, "delay_ms": 100, "times": 1}
    await world.behave("whatsapp", rules=[late])
    began = time.monotonic()
    await channel.send_text(outgoing("whatsapp", "two"))
    assert time.monotonic() - began >= 0.1
    assert [each["text"] for each in await world.sent(channel="whatsapp")] == ["one", "two"]
