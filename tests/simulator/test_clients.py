"""The simulator through the eyes of others: client libraries that know the providers, and nothing of us.

pywa for WhatsApp, python-telegram-bot and pyTelegramBotAPI for Telegram: they send, receive, parse, and get their own errors.
aiogram wants an older pydantic than ours, and stays outside.
"""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import telegram
from aiohttp import web
from pywa import WhatsApp, errors
from pywa import types as wa
from pywa.types.templates import BodyText, TemplateLanguage
from telebot import asyncio_helper
from telebot.async_telebot import AsyncTeleBot
from telegram import error as telegram_error

from ops.demo.pictures import voice_note
from tests.channels.conftest import serving
from tests.simulator.conftest import World, until
from tests.tasks import media_samples as samples

ANA, CHAT = "5511999990000", 123456789
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 32
ORDER = {"name": "order", "components": [{"type": "BODY", "text": "Order {{1}} is ready"}]}


class Whatsapp:
    """pywa, calling the simulator in place of Meta. No generator: pywa's errors are frozen, and cannot be thrown into one."""

    def __init__(self, world: World, token: str = "") -> None:
        self._session = httpx.Client()
        self._client = WhatsApp(
            "100000000000001",
            token or world.secret("whatsapp_token"),
            session=self._session,
            app_secret=world.secret("whatsapp_app_secret"),
            server=None,
        )
        self._session.base_url = httpx.URL(f"{world.url('whatsapp')}/v23.0")

    def __enter__(self) -> WhatsApp:
        return self._client

    def __exit__(self, *_: object) -> None:
        self._session.close()


async def test_pywa_sends(world: World) -> None:
    """Texts, buttons, files, templates and read marks are taken, and their answers understood."""
    await world.control("PUT", "/templates", json={"templates": [ORDER]})

    def talk() -> list[Any]:
        with Whatsapp(world) as client:
            sent = [client.send_message(ANA, "olá", tracker="t1")]
            sent.append(client.send_message(ANA, "Well?", buttons=[wa.Button("Yes", callback_data="y")]))
            sent.append(client.send_image(ANA, PNG, caption="look", mime_type="image/png"))
            sent.append(client.send_location(ANA, 1.5, -2, name="Café"))
            sent.append(client.send_template(ANA, "order", TemplateLanguage.ENGLISH_US, [BodyText.params("7")]))
            assert client.mark_message_as_read("wamid.1").success
            return sent

    sent = await asyncio.to_thread(talk)
    arrived = await world.sent(channel="whatsapp", to=f"+{ANA}")
    assert [each["provider_id"] for each in arrived] == [each.id for each in sent]
    assert [each["text"] for each in arrived] == ["olá", "Well?", "look", "Café 1.5, -2", "Order 7 is ready"]
    assert [each["kind"] for each in arrived] == ["text", "interactive", "image", "location", "template"]
    assert (arrived[0]["reference"], arrived[2]["media_size"]) == ("t1", len(PNG))


async def test_pywa_reads_messages_and_statuses(world: World) -> None:
    """The signature is right; people, words, files and replies, statuses with their price, and failures are understood."""
    file = {"filename": "cat.png", "mime_type": "image/png", "content": b64encode(PNG).decode()}
    heard: list[Any] = []

    def talk(bodies: list[tuple[dict[str, str], bytes]]) -> None:
        with Whatsapp(world) as client:
            client.on_message()(lambda _, message: heard.append(message))
            client.on_message_status()(lambda _, status: heard.append(status))
            for headers, body in bodies:
                assert client.webhook_update_validator(body, headers["x-hub-signature-256"]) is None
                assert client.webhook_update_handler(body) == ("ok", 200)
            for each in heard:
                if isinstance(each, wa.Message) and each.image:
                    assert each.image.get_bytes() == PNG

    await world.says("whatsapp", f"+{ANA}", "olá", name="Ana")
    await world.says("whatsapp", "US.1234567890", "look", file=file, name="Bia")
    with pytest.raises(errors.WhatsAppError):
        await asyncio.to_thread(_ask_for_nothing, world)
    # pywa reads one status of a webhook: what is told at once comes together, as from Meta under load.
    apart = {"delivered_after_ms": 150, "read_after_ms": 300}
    await world.behave("whatsapp", rules=[{"status": 200, "code": 131026, "match": "late"}], receipts=apart)
    await asyncio.to_thread(_say, world, "oi")
    await until(lambda: len(world.gateway.updates) == 5)
    await asyncio.to_thread(_say, world, "late")
    await until(lambda: len(world.gateway.updates) == 6)
    await asyncio.to_thread(talk, [(headers, body) for _, headers, body in world.gateway.heard])
    messages = [each for each in heard if isinstance(each, wa.Message)]
    statuses = [each for each in heard if isinstance(each, wa.MessageStatus)]
    assert {(each.from_user.name, each.from_user.wa_id) for each in messages} == {("Ana", ANA), ("Bia", None)}
    assert all(each.from_user.bsuid for each in messages)
    assert [str(each.status) for each in statuses if each.error is None] == ["sent", "delivered", "read"]
    assert {each.from_user.wa_id for each in statuses} == {ANA}
    [failed] = [each.error for each in statuses if each.error]
    assert isinstance(failed, errors.MessageUndeliverable)
    assert statuses[0].pricing is not None and not statuses[0].pricing.billable


async def test_pywa_sends_content(world: World) -> None:
    """Lists, links, flows, reactions, cards, voice notes and stickers are taken, each as what it is."""

    def talk() -> None:
        with Whatsapp(world) as client:
            rows = [wa.SectionRow("Friday", "f", "early"), wa.SectionRow("Monday", "m")]
            client.send_message(ANA, "When?", buttons=wa.SectionList("Pick", [wa.Section("Days", rows)]))
            client.send_message(
                ANA, "Look", buttons=wa.URLButton("Open", "https://shop.example"), reply_to_message_id="wamid.1"
            )
            flow = wa.FlowButton("Book", flow_id="7", flow_action_type=wa.FlowActionType.NAVIGATE, flow_action_screen="DAY")
            client.send_message(ANA, "Book", buttons=flow)
            client.send_reaction(ANA, "👍", "wamid.1")
            client.send_contact(ANA, [wa.Contact(name=wa.Contact.Name("Rui Melo", "Rui"))])
            client.send_voice(ANA, voice_note(), mime_type="audio/ogg")
            client.send_sticker(ANA, samples.picture("WEBP"), mime_type="image/webp")

    await asyncio.to_thread(talk)
    arrived = await world.sent(channel="whatsapp", to=f"+{ANA}")
    contents = [each.get("content", {}) for each in arrived]
    assert [each.get("type", "") for each in contents] == [
        "choices", "choices", "form", "reaction", "contact_cards", "media", "",
    ]  # fmt: skip
    assert contents[0]["options"][0] == {"id": "f", "title": "Friday", "description": "early", "section": "Days"}
    assert (contents[1]["links"], arrived[1]["reply_to"]) == ([{"title": "Open", "url": "https://shop.example"}], "wamid.1")
    assert (contents[5]["kind"], arrived[6]["kind"]) == ("voice", "sticker")


async def test_pywa_reads_content(world: World) -> None:
    """Places, cards, reactions, answers, forms, orders and what is passed on are what pywa takes them for."""
    said: list[dict[str, Any]] = [
        {"type": "location", "latitude": 1.5, "longitude": -2, "name": "Café"},
        {"type": "contact_cards", "cards": [{"name": "Rui Melo", "phones": ["+351 911000000"]}]},
        {"type": "reaction", "target": "wamid.1", "emoji": "👍"},
        {"type": "order", "items": [{"product_id": "RICE", "quantity": 3, "price": 2.25, "currency": "EUR"}]},
        {"type": "text", "forwarded": True},
        {"type": "answer", "target": "wamid.1", "option": "y", "title": "Yes"},
        {"type": "answer", "target": "wamid.1", "option": "f", "title": "Friday", "style": "list"},
        {"type": "form", "target": "wamid.1", "token": "t", "answers": {"day": "Friday"}},
    ]
    # pywa reads one message of a webhook: each comes in its own.
    for number, each in enumerate(said, 1):
        await world.says("whatsapp", f"+{ANA}", "oi", content=each, name="Ana")
        await until(lambda number=number: len(world.gateway.said) == number)  # type: ignore[misc]
    messages: list[Any] = []
    others: list[Any] = []

    def listen() -> None:
        with Whatsapp(world) as client:
            client.on_message()(lambda _, message: messages.append(message))
            client.on_callback_button()(lambda _, pressed: others.append(("button", pressed.data, pressed.title)))
            client.on_callback_selection()(lambda _, chosen: others.append(("row", chosen.data, chosen.title)))
            client.on_flow_completion()(lambda _, form: others.append(("form", form.token, form.response["day"])))
            for _, headers, body in world.gateway.heard:
                assert client.webhook_update_validator(body, headers["x-hub-signature-256"]) is None
                assert client.webhook_update_handler(body) == ("ok", 200)

    await asyncio.to_thread(listen)
    place, cards, reaction, order, passed_on = messages
    assert (place.location.latitude, place.location.name) == (1.5, "Café")
    assert (cards.contacts[0].name.formatted_name, cards.contacts[0].phones[0].wa_id) == ("Rui Melo", "351911000000")
    assert (reaction.reaction.emoji, reaction.reaction.message_id) == ("👍", "wamid.1")
    assert (order.order.products[0].sku, order.order.products[0].quantity) == ("RICE", 3)
    assert passed_on.forwarded
    assert others == [("button", "y", "Yes"), ("row", "f", "Friday"), ("form", "t", "Friday")]


def _say(world: World, *texts: str) -> None:
    with Whatsapp(world) as client:
        for text in texts:
            client.send_message(ANA, text)


def _ask_for_nothing(world: World) -> None:
    with Whatsapp(world) as client:
        client.get_media_url("99999999999")


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"rules": [{"status": 429, "code": 130429}]}, errors.RateLimitHit),
        ({"rules": [{"status": 400, "code": 131056}]}, errors.TooManyMessages),
        ({"rules": [{"status": 403, "code": 10}]}, errors.PermissionDenied),
        ({"window": "refused"}, errors.ReEngagementMessage),
    ],
)
async def test_pywa_gets_its_errors(world: World, behaviour: dict[str, Any], error: type[Exception]) -> None:
    """Each refusal is the library's own exception, with code and details."""
    await world.behave("whatsapp", **behaviour)
    with pytest.raises(error) as caught:
        await asyncio.to_thread(_say, world, "oi")
    assert getattr(caught.value, "details", "")


async def test_pywa_knows_a_wrong_token_and_a_wrong_template(world: World) -> None:
    """An expired token, and templates that are unknown or badly filled."""
    await world.control("PUT", "/templates", json={"templates": [ORDER]})

    def talk() -> None:
        with Whatsapp(world, "guess") as client, pytest.raises(errors.ExpiredAccessToken):
            client.send_message(ANA, "oi")
        with Whatsapp(world) as client:
            with pytest.raises(errors.TemplateNotExists):
                client.send_template(ANA, "nothing", TemplateLanguage.ENGLISH_US, [])
            with pytest.raises(errors.TemplateParamCountMismatch):
                client.send_template(ANA, "order", TemplateLanguage.ENGLISH_US, [BodyText.params("7", "8")])

    await asyncio.to_thread(talk)


def bot_token(world: World) -> str:
    return f"1000000001:{world.secret('telegram_token')}"


@pytest.fixture
async def bot(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[telegram.Bot]:
    """python-telegram-bot, calling the simulator in place of Telegram."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    base = world.url("telegram")
    async with telegram.Bot(bot_token(world), base_url=f"{base}/bot", base_file_url=f"{base}/file/bot") as made:
        yield made


async def test_python_telegram_bot_talks(world: World, bot: telegram.Bot) -> None:
    """It knows itself, sends words and files, fetches updates once, and downloads what people send."""
    assert bot.username == "simulated_bot"
    sent = await bot.send_message(CHAT, "olá")
    photo = await bot.send_photo(CHAT, PNG, caption="look")
    assert (sent.text, sent.chat.id, photo.caption, photo.photo[-1].file_size) == ("olá", CHAT, "look", len(PNG))
    assert sent.message_id < photo.message_id < 1 << 31
    assert [each["text"] for each in await world.sent(channel="telegram")] == ["olá", "look"]
    await bot.delete_webhook()
    file = {"filename": "cat.jpg", "mime_type": "image/jpeg", "content": b64encode(PNG).decode()}
    await world.says("telegram", str(CHAT), "look", file=file, name="Ana")
    [update] = await bot.get_updates()
    assert update.message is not None
    assert (update.message.caption, update.message.from_user.first_name) == ("look", "Ana")  # type: ignore[union-attr]
    assert bytes(await (await update.message.photo[-1].get_file()).download_as_bytearray()) == PNG
    assert await bot.get_updates(offset=update.update_id + 1, timeout=0) == ()


async def test_python_telegram_bot_keeps_a_webhook(world: World, bot: telegram.Bot) -> None:
    """What it sets is what it is told; with a webhook there is no fetching."""
    await bot.set_webhook("https://chat.example/hook", allowed_updates=["message"], max_connections=5, secret_token="s")
    info = await bot.get_webhook_info()
    assert (info.url, info.max_connections, info.allowed_updates) == ("https://chat.example/hook", 5, ("message",))
    with pytest.raises(telegram_error.Conflict):
        await bot.get_updates()


@pytest.mark.parametrize(
    ("rule", "error", "words"),
    [
        ({"status": 403, "code": 403}, telegram_error.Forbidden, "bot was blocked by the user"),
        ({"status": 400, "code": 400}, telegram_error.BadRequest, "Chat not found"),
        ({"status": 429, "code": 429, "retry_after": 9}, telegram_error.RetryAfter, "Retry in 0:00:09"),
        ({"status": 500, "code": 500}, telegram_error.NetworkError, "Internal Server Error"),
    ],
)
async def test_python_telegram_bot_gets_its_errors(
    world: World, bot: telegram.Bot, rule: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Each refusal is the library's own exception, in Telegram's words."""
    await world.behave("telegram", rules=[rule])
    with pytest.raises(error, match=words):
        await bot.send_message(CHAT, "oi")


async def test_python_telegram_bot_is_refused(world: World, bot: telegram.Bot) -> None:
    """A text that is too long, a chat that is none, a link without a picture, a wrong token."""
    with pytest.raises(telegram_error.BadRequest, match="Message is too long"):
        await bot.send_message(CHAT, "x" * 4097)
    with pytest.raises(telegram_error.BadRequest, match="Chat not found"):
        await bot.send_message("@nobody", "oi")

    async def page(_request: Any) -> web.Response:
        return web.Response(text="<p>", content_type="text/html")

    async with serving(page) as url:
        with pytest.raises(telegram_error.BadRequest, match="Wrong type of the web page content"):
            await bot.send_photo(CHAT, f"{url}/cat.png")
    with pytest.raises(telegram_error.InvalidToken):
        async with telegram.Bot("1000000001:guess", base_url=f"{world.url('telegram')}/bot"):
            pass


async def test_pytelegrambotapi_talks(world: World) -> None:
    """Our own channel's library, by itself: sends, is told a webhook, fetches, and raises Telegram's words."""
    asyncio_helper.API_URL = f"{world.url('telegram')}/bot{{0}}/{{1}}"
    bot = AsyncTeleBot(bot_token(world))
    sent = await bot.send_message(CHAT, "olá")
    assert (sent.text, sent.chat.type) == ("olá", "private")
    assert (await bot.get_webhook_info()).url.endswith("/channels/telegram/webhook")
    await bot.delete_webhook()
    file = {"filename": "cat.ogg", "mime_type": "audio/ogg", "content": b64encode(b"meow").decode()}
    await world.says("telegram", "-1001234567890", file=file)
    [update] = await bot.get_updates(allowed_updates=["message"])
    assert update.message is not None
    assert (update.message.content_type, update.message.chat.type) == ("voice", "supergroup")
    with pytest.raises(asyncio_helper.ApiTelegramException, match="message text is empty"):
        await bot.send_message(CHAT, "")
    await bot.close_session()  # type: ignore[no-untyped-call]
