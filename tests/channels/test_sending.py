"""The sending half, against a provider on loopback that answers as the test wants."""

import asyncio
import json
import logging
import traceback
from typing import Any

import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest
from msgspec.structs import replace

from chat4all.channels import CHANNELS, open_channel
from chat4all.model.content import (
    Card,
    Choices,
    ContactCards,
    Content,
    Deletion,
    Edit,
    Location,
    Media,
    Option,
    Poll,
    Reaction,
    Text,
    type_of,
)
from chat4all.model.failures import Failure, Permanent, Temporary, Throttled, Unknown
from chat4all.ports import Channel, FileLink, MediaSource, Outgoing, Taken, Uploaded
from chat4all.settings import Settings
from tests.channels import payloads
from tests.channels.conftest import Open, serving

ADDRESSES = {"whatsapp": "+5511999990000", "instagram": "6789012345", "telegram": "123456", "messenger": "6789012346"}
WORDS = "meet me at the station"
TAKEN: dict[str, tuple[dict[str, Any], str]] = {
    "whatsapp": ({"messaging_product": "whatsapp", "messages": [{"id": "wamid.X"}]}, "wamid.X"),
    "instagram": ({"recipient_id": "6789012345", "message_id": "m_X"}, "m_X"),
    "messenger": ({"recipient_id": "6789012346", "message_id": "m_X"}, "m_X"),
    "telegram": (
        {"ok": True, "result": {"message_id": 9, "date": 1, "chat": {"id": 123456, "type": "private"}}},
        "123456:9",
    ),
}
PDF = Media(file_id="f", filename="bill.pdf", mime_type="application/pdf", size=5)
PICTURE = Media(file_id="f", filename="cat.jpg", mime_type="image/jpeg", size=5)


def outgoing(channel: str, text: str = WORDS) -> Outgoing:
    return Outgoing(ADDRESSES[channel], text, f"{channel}:0:7:0")


def secrets(channel: str, settings: Settings) -> list[str]:
    return [settings.secret(f"{channel}_token"), ADDRESSES[channel], WORDS]


def answered(row: dict[str, Any]) -> web.Response:
    body = row["answer"] if isinstance(row["answer"], str) else json.dumps(row["answer"])
    kind = "text/html" if isinstance(row["answer"], str) else "application/json"
    return web.Response(status=row["status"], body=body.encode(), headers={"Content-Type": kind, **row.get("headers", {})})


@pytest.mark.parametrize(("channel", "row"), payloads.errors())
async def test_an_answer_means_a_failure(
    channel: str, row: dict[str, Any], opened: Open, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Each recorded answer is the failure that stands beside it; neither it nor the log holds the token, words or address."""
    caplog.set_level(logging.DEBUG)

    async def handler(_request: BaseRequest) -> web.Response:
        return answered(row)

    async with serving(handler) as url:
        with pytest.raises(Failure) as caught:
            await opened(channel, url).send_text(outgoing(channel))
    failure = caught.value
    assert (type(failure).__name__, failure.reason) == (row["kind"], row["reason"])
    if isinstance(failure, Throttled):
        assert failure.retry_after == row["retry_after"]
    if isinstance(failure, Temporary):
        assert failure.tries == row.get("tries", 0)
    shown = "".join(traceback.format_exception(failure)) + caplog.text
    assert [each for each in secrets(channel, settings) if each in shown] == []


@pytest.mark.parametrize(
    ("source", "kind", "tries"),
    [(FileLink("https://files.example/1"), "Temporary", 40), (Uploaded("handle", 1, 2), "Permanent", 0)],
)
async def test_a_link_that_whatsapp_could_not_fetch_is_tried_again(
    source: MediaSource, kind: str, tries: int, opened: Open
) -> None:
    """131053: Meta could not get the file just now, or, where it has the bytes, does not want it."""

    async def handler(_request: BaseRequest) -> web.Response:
        return web.json_response({"error": {"code": 131053, "error_subcode": 2494010}}, status=400)

    async with serving(handler) as url:
        with pytest.raises(Failure) as caught:
            await opened("whatsapp", url).send_file(outgoing("whatsapp"), PICTURE, source)
    failure = caught.value
    assert (type(failure).__name__, failure.reason, getattr(failure, "tries", 0)) == (kind, "media", tries)


@pytest.mark.parametrize("channel", CHANNELS)
async def test_what_was_taken_gives_the_providers_id(channel: str, opened: Open) -> None:
    """A send that the provider took returns its id, over one kept-alive connection for several sends."""
    answer, provider_id = TAKEN[channel]
    connections: set[Any] = set()

    async def handler(request: BaseRequest) -> web.Response:
        connections.add(request.transport)
        return web.json_response(answer)

    async with serving(handler) as url:
        opened_channel = opened(channel, url)
        for _ in range(3):
            assert await opened_channel.send_text(outgoing(channel)) == provider_id
    assert len(connections) == 1


@pytest.mark.parametrize("channel", ["whatsapp", "instagram", "messenger"])
@pytest.mark.parametrize("status", [200, 201, 202])
async def test_any_answer_with_an_id_is_a_success(channel: str, status: int, opened: Open) -> None:
    """Whichever 2xx it is: what the provider gave an id is taken, and must not be sent again."""

    async def handler(_request: BaseRequest) -> web.Response:
        return web.json_response(TAKEN[channel][0], status=status)

    async with serving(handler) as url:
        assert await opened(channel, url).send_text(outgoing(channel)) == TAKEN[channel][1]


async def test_whatsapps_answer_says_what_it_calls_the_person(opened: Open) -> None:
    """The number as WhatsApp knows it and the user id come with the id of what was taken."""
    contacts = [{"input": "+541123456789", "wa_id": "5491123456789", "user_id": "AR.555"}, None, {"wa_id": 7}]

    async def handler(_request: BaseRequest) -> web.Response:
        return web.json_response({"messages": [{"id": "wamid.Y"}], "contacts": contacts}, status=201)

    async with serving(handler) as url:
        taken = await opened("whatsapp", url).send_text(outgoing("whatsapp"))
    assert isinstance(taken, Taken)
    assert (taken, taken.names) == ("wamid.Y", ("+5491123456789", "AR.555"))


@pytest.mark.parametrize(
    ("mime_type", "takes"),
    [("audio/ogg", False), ("audio/mpeg", False), ("audio/ogg; codecs=opus", False), ("audio/mp4", True), ("audio/aac", True),
     ("audio/x-m4a", True), ("audio/wav", True)],
)  # fmt: skip
def test_instagram_takes_some_sounds_only(mime_type: str, takes: bool, settings: Settings) -> None:
    """A voice note of another network, or mp3, would be refused: it goes as a link."""
    assert open_channel("instagram", settings).limits.takes(mime_type, 5, "") is takes


@pytest.mark.parametrize("channel", CHANNELS)
async def test_nobody_listens_is_temporary(channel: str, opened: Open, unused_tcp_port: int) -> None:
    """A refused connection sent nothing, so it may be tried again."""
    with pytest.raises(Temporary) as caught:
        await opened(channel, f"http://127.0.0.1:{unused_tcp_port}").send_text(outgoing(channel))
    assert not isinstance(caught.value, Throttled)
    assert caught.value.reason == "unreachable"


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_lost_answer_is_unknown(channel: str, opened: Open) -> None:
    """The request arrived and the connection died: it may have happened."""

    async def handler(request: BaseRequest) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(handler) as url:
        with pytest.raises(Unknown):
            await opened(channel, url).send_text(outgoing(channel))


CONTENTS: list[Content] = [
    Location(-23.5, -46.6),
    Location(-23.5, -46.6, "Market", "Main Street 1"),
    ContactCards((Card("Rui Reis", ("+351911",)),)),
    Poll("Tea?", ("Yes", "No")),
    Choices("Bread?", (Option("rye", "Rye"),), style="buttons"),
    Reaction("m", "👍"),
    Edit(Text("new"), "m"),
    Deletion("m"),
    PICTURE,
]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("channel", CHANNELS)
async def test_whatever_is_sent_leaves_once(channel: str, content: Content, opened: Open) -> None:
    """On a connection that was used before and ends without an answer: HTTP clients repeat some requests by themselves then."""
    calls = 0

    async def handler(request: BaseRequest) -> web.Response:
        nonlocal calls
        await request.read()
        calls += 1
        if calls > 1:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(TAKEN[channel][0])

    async with serving(handler) as url:
        open_channel = opened(channel, url)
        if not {type_of(content)} & {*open_channel.limits.contents, "choices", "media"}:
            return
        await open_channel.send_text(outgoing(channel))
        message = replace(outgoing(channel), targets=(TAKEN[channel][1],))
        with pytest.raises(Unknown):
            if isinstance(content, Media):
                await open_channel.send_file(message, content, FileLink("https://files.example/1"))
            else:
                await open_channel.send_content(message, content)
    assert calls == 2


@pytest.mark.parametrize("channel", CHANNELS)
async def test_no_answer_in_time_is_unknown(channel: str, opened: Open) -> None:
    """The request arrived and nothing came back within the time limit: it may have happened."""
    released = asyncio.Event()

    async def handler(_request: BaseRequest) -> web.Response:
        await released.wait()
        return web.Response()

    async with serving(handler) as url:
        try:
            with pytest.raises(Unknown):
                await opened(channel, url).send_text(outgoing(channel))
        finally:
            released.set()


async def captured(channel: str, opened: Open, *sends: Any) -> list[tuple[str, Any]]:
    """(path, body) of what the channel sends."""
    seen: list[tuple[str, Any]] = []

    async def handler(request: BaseRequest) -> web.Response:
        form = request.content_type == "application/x-www-form-urlencoded"
        seen.append((request.path, dict(await request.post()) if form else json.loads(await request.read() or b"{}")))
        return web.json_response(TAKEN[channel][0])

    async with serving(handler) as url:
        each = opened(channel, url)
        for send in sends:
            await send(each)
    return seen


async def test_whatsapps_wire_format(opened: Open) -> None:
    """A number goes into `to`, a user id into `recipient`, and our reference where receipts echo it."""
    seen = await captured(
        "whatsapp",
        opened,
        lambda each: each.send_text(outgoing("whatsapp")),
        lambda each: each.send_text(Outgoing("US.1234", WORDS, "r")),
        lambda each: each.send_file(outgoing("whatsapp"), PDF, FileLink("https://files.example/1")),
    )
    path, body = seen[0]
    assert path == "/v23.0/100000000000001/messages"
    assert body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+5511999990000",
        "type": "text",
        "text": {"body": WORDS, "preview_url": True},
        "biz_opaque_callback_data": "whatsapp:0:7:0",
    }
    assert seen[1][1]["recipient"] == "US.1234"
    assert "to" not in seen[1][1]
    assert seen[2][1]["document"] == {"link": "https://files.example/1", "caption": WORDS, "filename": "bill.pdf"}


async def test_instagrams_wire_format(opened: Open) -> None:
    """A recipient and a message; a file is an attachment, alone."""
    seen = await captured(
        "instagram",
        opened,
        lambda each: each.send_text(outgoing("instagram")),
        lambda each: each.send_file(outgoing("instagram", ""), PICTURE, FileLink("https://files.example/1")),
    )
    assert seen[0] == (
        "/v23.0/17841400000000001/messages",
        {"recipient": {"id": "6789012345"}, "message": {"text": WORDS}},
    )
    assert seen[1][1]["message"] == {"attachment": {"type": "image", "payload": {"url": "https://files.example/1"}}}


async def test_messengers_wire_format(opened: Open) -> None:
    """As Instagram's, with the kind of messaging, and our reference where echoes bring it back."""
    [(path, body)] = await captured("messenger", opened, lambda each: each.send_text(outgoing("messenger")))
    assert path == "/v23.0/100000000000002/messages"
    assert body == {
        "recipient": {"id": "6789012346"},
        "messaging_type": "RESPONSE",
        "message": {"text": WORDS, "metadata": "messenger:0:7:0"},
    }


async def test_telegrams_wire_format(opened: Open, settings: Settings) -> None:
    """A form to the bot's own URL, and no markup that would change people's words."""
    seen = await captured(
        "telegram",
        opened,
        lambda each: each.send_text(outgoing("telegram", "*_[words](")),
        lambda each: each.send_file(outgoing("telegram"), PICTURE, FileLink("https://files.example/1")),
        lambda each: each.send_file(outgoing("telegram"), PDF, FileLink("https://files.example/2")),
    )
    bot = f"/bot1000000001:{settings.secret('telegram_token')}"
    assert seen[0] == (f"{bot}/sendMessage", {"chat_id": "123456", "text": "*_[words]("})
    assert seen[1] == (f"{bot}/sendPhoto", {"chat_id": "123456", "photo": "https://files.example/1", "caption": WORDS})
    assert seen[2][0] == f"{bot}/sendDocument"


@pytest.mark.parametrize("channel", CHANNELS)
async def test_refused_credentials_are_final_for_who_connects(channel: str, opened: Open) -> None:
    """`connect` raises Permanent when the provider does not know us, and Temporary when it cannot be reached."""
    refusal = {"error": {"code": 190}, "ok": False, "error_code": 401, "description": "Unauthorized"}

    async def handler(_request: BaseRequest) -> web.Response:
        return web.json_response(refusal, status=401)

    async with serving(handler) as url:
        each = opened(channel, url)
        with pytest.raises(Permanent):
            await each.connect("https://chat.example/hook")
    with pytest.raises(Temporary):
        await each.connect("https://chat.example/hook")


@pytest.mark.parametrize("channel", CHANNELS)
async def test_close_is_safe(channel: str, opened: Open) -> None:
    """Closing twice, and without a single call, is fine."""
    each: Channel = opened(channel, "http://127.0.0.1:1")
    await each.close()
    await each.close()


ODD = (
    "", "null", "17", "[]", '""', "{}", "true", "\ud800", '{"ok": true}', '{"ok": true, "result": true}',
    '{"ok": true, "result": []}', '{"ok": true, "result": {}}', '{"ok": true, "result": {"message_id": null}}',
    '{"ok": true, "result": {"chat": 7}}',
    '{"messages": null}', '{"messages": []}', '{"messages": [{}]}', '{"messages": [{"id": null}]}', '{"messages": {"id": "x"}}',
    '{"message_id": null}', '{"message_id": []}', '{"error": null}', "<html>ok</html>",
)  # fmt: skip


@pytest.mark.parametrize("answer", ODD, ids=ascii)
@pytest.mark.parametrize("channel", CHANNELS)
async def test_an_answer_that_makes_no_sense_leaves_the_outcome_open(channel: str, answer: str, opened: Open) -> None:
    """It was answered with 200, so it may have been taken: unknown, whatever the library makes of it."""

    async def handler(_request: BaseRequest) -> web.Response:
        return web.Response(body=answer.encode("utf-8", "surrogatepass"), content_type="application/json")

    async with serving(handler) as url:
        with pytest.raises(Unknown):
            await opened(channel, url).send_text(outgoing(channel))


@pytest.mark.parametrize("status", [408, 502, 504])
@pytest.mark.parametrize("channel", CHANNELS)
async def test_what_only_a_proxy_answers_leaves_the_outcome_open(channel: str, status: int, opened: Open) -> None:
    """It passed the request on, and no answer came: the provider may have taken it."""

    async def handler(_request: BaseRequest) -> web.Response:
        return web.Response(status=status, body=b"<html>timed out</html>", content_type="text/html")

    async with serving(handler) as url:
        with pytest.raises(Unknown):
            await opened(channel, url).send_text(outgoing(channel))


@pytest.mark.parametrize("wait", ["inf", "-inf", "nan", "1e20", "-5", "soon", "", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 400])
@pytest.mark.parametrize("channel", CHANNELS)
async def test_however_long_a_provider_asks_to_wait_it_can_be_kept(channel: str, wait: str, opened: Open) -> None:
    """In a header or in the answer: seconds between 0 and a day."""
    number = wait if wait.lstrip("-").isdecimal() or wait == "1e20" else json.dumps(wait)
    body = f'{{"ok": false, "error_code": 429, "description": "Too Many", "parameters": {{"retry_after": {number}}}}}'

    async def handler(_request: BaseRequest) -> web.Response:
        return web.Response(status=429, text=body, content_type="application/json", headers={"Retry-After": wait})

    async with serving(handler) as url:
        with pytest.raises(Throttled) as caught:
            await opened(channel, url).send_text(outgoing(channel))
    assert 0 <= caught.value.retry_after <= 86_400
