"""Telegram's own ways: ids, webhooks that are kept, updates that are fetched, files as they were sent."""

import asyncio
import json
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ops.simulator.numbers import AHEAD, Numbers
from tests.channels.conftest import serving
from tests.simulator.calling import bot
from tests.simulator.conftest import World, until

HOOK = "https://chat.example/hook"


async def fetched(world: World, **given: Any) -> list[dict[str, Any]]:
    status, answer = await bot(world, "getUpdates", **given)
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["result"]
    return found


def texts(updates: list[dict[str, Any]]) -> list[str]:
    return [each["message"]["text"] for each in updates]


async def test_ids_fit_into_32_bits_and_count_up(world: World) -> None:
    """Messages and updates: clients keep them in 32 bits."""
    await bot(world, "deleteWebhook")
    ids = [(await bot(world, "sendMessage", chat_id=123456, text="oi"))[1]["result"]["message_id"] for _ in range(3)]
    await world.says("telegram", "123456")
    [update] = await fetched(world)
    ids += [update["message"]["message_id"], update["update_id"]]
    assert ids == sorted(ids) and len(set(ids[:4])) == 4
    assert ids[0] > 0 and ids[-1] < 1 << 31


def test_numbers_are_given_once_whatever_is_killed(tmp_path: Path) -> None:
    """A second counter over the same file, without the first one's end, goes on above all that was given."""
    first = Numbers(tmp_path / "n")
    given = [first.next() for _ in range(AHEAD + 5)]
    second = Numbers(tmp_path / "n")
    assert second.next() > max(given)
    assert given == list(range(1, AHEAD + 6))


async def test_a_webhook_is_kept_and_told(world: World) -> None:
    """getWebhookInfo says what setWebhook was given, and nothing of it after deleteWebhook."""
    given: dict[str, Any] = {
        "url": HOOK,
        "max_connections": 7,
        "allowed_updates": ["message", "callback_query"],
        "ip_address": "192.0.2.1",
    }
    assert (await bot(world, "setWebhook", **given, secret_token="abc"))[1]["result"] is True
    _, answer = await bot(world, "getWebhookInfo")
    assert answer["result"] == given | {"has_custom_certificate": False, "pending_update_count": 0}
    await bot(world, "deleteWebhook")
    _, answer = await bot(world, "getWebhookInfo")
    assert (answer["result"]["url"], "max_connections" in answer["result"]) == ("", False)


async def test_updates_go_where_the_webhook_is(world: World) -> None:
    """To the address and with the secret that were given; a refusal is told by getWebhookInfo."""
    came: list[tuple[str, Any]] = []

    async def hook(request: Any) -> web.Response:
        came.append((request.headers.get("X-Telegram-Bot-Api-Secret-Token", ""), await request.json()))
        return web.Response(status=200 if len(came) > 1 else 500)

    async with serving(hook) as url:
        await bot(world, "setWebhook", url=f"{url}/mine", secret_token="quiet-word")
        await world.says("telegram", "123456", "olá")
        await until(lambda: len(came) >= 1)
        await until(lambda: len(came) >= 2)
    assert (came[0][0], came[1][1]["message"]["text"]) == ("quiet-word", "olá")
    _, answer = await bot(world, "getWebhookInfo")
    assert "500" in answer["result"]["last_error_message"]


async def test_each_bot_has_a_webhook_of_its_own(world: World) -> None:
    """What is written to one goes there, with its secret; what it sends is its own. Others are told nothing of it."""
    came: list[tuple[str, str, str]] = []

    async def hook(request: Any) -> web.Response:
        said = await request.json()
        assert set(said) == {"update_id", "message"}
        came.append((request.path, request.headers["X-Telegram-Bot-Api-Secret-Token"], said["message"]["text"]))
        return web.Response()

    async with serving(hook) as url:
        for name in ("7", "8"):
            await bot(world, "setWebhook", of=name, url=f"{url}/{name}", secret_token=f"secret-{name}")
            await world.says("telegram", "123456", f"to {name}", account=name)
        await until(lambda: len(came) == 2)
    assert sorted(came) == [(f"/{name}", f"secret-{name}", f"to {name}") for name in ("7", "8")]
    assert (await bot(world, "getMe", of="7"))[1]["result"]["id"] == 7
    assert (await bot(world, "getWebhookInfo", of="7"))[1]["result"]["url"].endswith("/7")
    for name in ("7", "1000000001"):
        await bot(world, "sendMessage", of=name, chat_id=123456, text=f"from {name}")
    assert [(each["text"], each["account"]) for each in await world.sent(channel="telegram")] == [
        ("from 7", "7"),
        ("from 1000000001", "1000000001"),
    ]


async def test_only_wanted_updates_come(world: World) -> None:
    """allowed_updates of setWebhook and of getUpdates are obeyed; an empty list means the default."""
    await bot(world, "deleteWebhook")
    await fetched(world, allowed_updates=["callback_query"])
    await world.says("telegram", "123456", "unwanted")
    assert await fetched(world) == []
    await fetched(world, allowed_updates=[])
    await world.says("telegram", "123456", "wanted")
    assert texts(await fetched(world)) == ["wanted"]


async def test_a_negative_offset_wants_the_newest(world: World) -> None:
    """-1: the last one, and all before it are forgotten."""
    await bot(world, "deleteWebhook")
    for words in ("one", "two", "three"):
        await world.says("telegram", "123456", words)
    assert texts(await fetched(world, limit=2)) == ["one", "two"]
    assert texts(await fetched(world, offset=-1)) == ["three"]
    assert texts(await fetched(world)) == ["three"]


async def test_a_second_fetch_ends_the_first(world: World) -> None:
    """The first hears of the conflict in Telegram's words, and so does one that a webhook ends."""
    await bot(world, "deleteWebhook")
    first = asyncio.create_task(bot(world, "getUpdates", timeout=30))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(bot(world, "getUpdates", timeout=30))
    status, answer = await first
    assert (status, answer["description"]) == (
        409,
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    )
    await bot(world, "setWebhook", url=HOOK)
    status, answer = await second
    assert (status, answer["description"]) == (409, "Conflict: terminated by setWebhook request")


async def test_what_waits_goes_over_to_the_other_way(world: World) -> None:
    """Updates that were not fetched come by the webhook, unless they are to be dropped."""
    await bot(world, "deleteWebhook")
    await world.says("telegram", "123456", "first")
    assert (await bot(world, "getWebhookInfo"))[1]["result"]["pending_update_count"] == 1
    await bot(world, "setWebhook", url=HOOK, secret_token=world.secret("telegram_webhook_secret"))
    await until(lambda: [each.text for each in world.gateway.said] == ["first"])
    world.gateway.refusing = 1000
    await world.says("telegram", "123456", "second")
    await until(lambda: world.gateway.refusing < 1000)
    await bot(world, "deleteWebhook")
    assert texts(await fetched(world)) == ["second"]
    await bot(world, "deleteWebhook", drop_pending_updates=True)
    assert await fetched(world) == []


FILES = [
    ("cat.jpg", "image/jpeg", "", "photo", "photos/"),
    ("cat.jpg", "image/jpeg", "document", "document", "documents/"),
    ("cat.mp4", "video/mp4", "", "video", "videos/"),
    ("cat.ogg", "audio/ogg", "", "voice", "voice/"),
    ("cat.mp3", "audio/mpeg", "", "audio", "music/"),
    ("cat.gif", "image/gif", "", "animation", "animations/"),
    ("tea.pdf", "application/pdf", "", "document", "documents/"),
]


@pytest.mark.parametrize(("filename", "mime_type", "kind", "part", "folder"), FILES)
async def test_files_come_as_they_were_sent(
    world: World, filename: str, mime_type: str, kind: str, part: str, folder: str
) -> None:
    """A photo is sizes, a voice message has no name, and each is fetched from its folder; our channel reads all of them."""
    await bot(world, "deleteWebhook")
    file = {"filename": filename, "mime_type": mime_type, "content": b64encode(b"meow").decode(), "kind": kind}
    await world.says("telegram", "123456", "look", file=file)
    [update] = await fetched(world)
    message = update["message"]
    assert (message["caption"], "text" in message) == ("look", False)
    shown = message[part][-1] if part == "photo" else message[part]
    assert shown.get("file_name") == (None if part in {"photo", "voice"} else filename)
    _, answer = await bot(world, "getFile", file_id=shown["file_id"])
    assert answer["result"]["file_path"].startswith(folder)
    url = f"{world.url('telegram')}/file/bot1000000001:{world.secret('telegram_token')}/{answer['result']['file_path']}"
    async with world.session.get(url) as got:
        assert await got.read() == b"meow"
    [inbound] = world.channels["telegram"].read_webhook(json.dumps(update).encode())
    assert getattr(inbound, "media", "") == shown["file_id"]


@pytest.mark.parametrize(
    ("kind", "size", "taken"), [("photo", 10 << 20, True), ("photo", (10 << 20) + 1, False), ("document", 100, True)]
)
async def test_files_can_be_uploaded(world: World, kind: str, size: int, taken: bool) -> None:
    """With the call, in a form: photos up to 10 MB; more is answered with 413, and what is empty is refused."""
    form = aiohttp.FormData({"chat_id": "123456", "caption": "look"})
    form.add_field(kind, BytesIO(b"x" * size), filename="cat.png", content_type="image/png")
    url = f"{world.url('telegram')}/bot1000000001:{world.secret('telegram_token')}/send{kind}"
    async with world.session.post(url, data=form) as answer:
        told = await answer.json()
        assert (answer.status == 200) is taken
    if not taken:
        assert told == {"ok": False, "error_code": 413, "description": "Request Entity Too Large"}
        return
    [arrived] = await world.sent()
    assert (arrived["kind"], arrived["media_size"], arrived["text"]) == (kind, size, "look")
    again = told["result"][kind][-1]["file_id"] if kind == "photo" else told["result"][kind]["file_id"]
    assert (await bot(world, f"send{kind}", chat_id=123456, **{kind: again}))[0] == 200


async def test_a_group_speaks_as_a_group(world: World) -> None:
    """Groups have negative ids, supergroups begin with -100."""
    await bot(world, "deleteWebhook")
    for chat, kind in (("-4001", "group"), ("-1001234567890", "supergroup")):
        await world.says("telegram", chat)
        assert (await fetched(world, offset=-1))[0]["message"]["chat"]["type"] == kind
