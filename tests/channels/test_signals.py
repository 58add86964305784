"""What each provider is told in passing: word for word, and what it cannot be told."""

from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest

from chat4all.channels import CHANNELS, open_channel
from chat4all.model.failures import Failure, Permanent, Temporary, Throttled
from chat4all.model.signals import PRESSED, READ, TYPING
from chat4all.settings import Settings
from tests.channels.conftest import Open, serving

ANA, CAIO, BUSINESS = "+5511999990000", "123456", "123456@BqC_1-x"
READ_MARK = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1"}

SAID: dict[str, tuple[str, str, str, str, str, dict[str, Any]]] = {
    "whatsapp read": ("whatsapp", ANA, READ, "wamid.1", "messages", READ_MARK),
    "whatsapp typing": ("whatsapp", ANA, TYPING, "wamid.1", "messages", READ_MARK | {"typing_indicator": {"type": "text"}}),
    "whatsapp user id": ("whatsapp", "US.1234", READ, "wamid.1", "messages", READ_MARK),
    **{
        f"{name} {kind}": (name, "6789", kind, about, "messages", {"recipient": {"id": "6789"}, "sender_action": action})
        for name in ("instagram", "messenger")
        for kind, about, action in ((TYPING, "", "typing_on"), (READ, "m_1", "mark_seen"))
    },
    "telegram typing": ("telegram", CAIO, TYPING, "", "sendChatAction", {"chat_id": CAIO, "action": "typing"}),
    "telegram topic": (
        "telegram", "-1005550001.7", TYPING, "-1005550001:9", "sendChatAction",
        {"chat_id": "-1005550001", "action": "typing", "message_thread_id": "7"},
    ),
    "telegram business typing": (
        "telegram", BUSINESS, TYPING, "", "sendChatAction",
        {"chat_id": CAIO, "action": "typing", "business_connection_id": "BqC_1-x"},
    ),
    "telegram business read": (
        "telegram", BUSINESS, READ, f"{BUSINESS}:8", "readBusinessMessage",
        {"business_connection_id": "BqC_1-x", "chat_id": CAIO, "message_id": "8"},
    ),
    "telegram press": ("telegram", CAIO, PRESSED, "4711", "answerCallbackQuery", {"callback_query_id": "4711"}),
}  # fmt: skip


@pytest.mark.parametrize("case", SAID)
async def test_each_signal_is_one_call(case: str, opened: Open) -> None:
    """In the provider's own form."""
    channel, address, kind, about, method, body = SAID[case]
    seen: list[tuple[str, Any]] = []

    async def handler(request: BaseRequest) -> web.Response:
        is_json = request.content_type == "application/json"
        # The library sends a form also with GET.
        given = await request.json() if is_json else dict(parse_qsl(await request.text()))
        seen.append((request.path.rpartition("/")[2], given))
        return web.json_response({"ok": True, "result": True, "success": True, "recipient_id": "6789"})

    async with serving(handler) as url:
        await opened(channel, url).signal(address, kind, about)
    assert seen == [(method, body)]


NOTHING = {
    "nobody wrote yet": ("whatsapp", ANA, TYPING, ""),
    "a call was the last": ("whatsapp", ANA, READ, "wacid.1:ended"),
    "a group": ("whatsapp", "group.abc", TYPING, "wamid.1"),
    "a bot has read": ("telegram", CAIO, READ, "123456:8"),
    "nothing was written": ("telegram", BUSINESS, READ, ""),
    "a press is no message": ("telegram", BUSINESS, READ, "callback:4711"),
}


@pytest.mark.parametrize("case", NOTHING)
async def test_what_cannot_be_told_makes_no_call(case: str, opened: Open) -> None:
    """It is refused here: nothing listens at this address."""
    channel, address, kind, about = NOTHING[case]
    with pytest.raises(Permanent):
        await opened(channel, "http://127.0.0.1:9").signal(address, kind, about)


META = {"error": {"message": "?", "type": "OAuthException", "code": 4}}
BOT = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 7}}
ABOUT = {"whatsapp": (ANA, "wamid.1"), "telegram": (CAIO, "")}


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("status", "kind"), [(429, Throttled), (503, Temporary)])
async def test_a_provider_that_refuses_is_understood(channel: str, status: int, kind: type[Failure], opened: Open) -> None:
    """As for messages: whether it is too fast, or away."""

    async def handler(_: BaseRequest) -> web.Response:
        if status == 503:
            return web.Response(status=503, text="busy")
        return web.json_response(BOT if channel == "telegram" else META, status=429)

    async with serving(handler) as url:
        with pytest.raises(kind):
            address, about = ABOUT.get(channel, ("6789", ""))
            await opened(channel, url).signal(address, TYPING, about)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_each_kind_has_a_time_in_which_one_is_enough(channel: str, settings: Settings) -> None:
    """And it is a kind that somebody asks for."""
    signals = open_channel(channel, settings).limits.signals
    assert signals.keys() <= {TYPING, READ, PRESSED}
    assert all(seconds > 0 for seconds in signals.values())
