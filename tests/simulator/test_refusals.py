"""What the providers refuse, the simulator refuses: with their codes, in their words, in the form of each."""

from typing import Any

import pytest

from tests.simulator.calling import ACCOUNTS, PEOPLE, VERSION, ask, bot, graph, text
from tests.simulator.conftest import World

ANA = PEOPLE["whatsapp"]
BY_META = ("whatsapp", "instagram", "messenger")
# Characters of more than one byte, and of more than one UTF-16 unit: a limit in the wrong unit shows.
WIDE = "é"
FACE = "😄"


def whatsapp(kind: str, part: Any, **more: Any) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "to": ANA, "type": kind, kind: part, **more}


def sent(to: Any, message: Any, **more: Any) -> dict[str, Any]:
    return {"recipient": {"id": to}, "message": message, **more}


def template(name: str, language: str = "en_US", *values: str) -> dict[str, Any]:
    parameters = [{"type": "text", "text": value} for value in values]
    components = [{"type": "body", "parameters": parameters}] if values else []
    return whatsapp("template", {"name": name, "language": {"code": language}, "components": components})


def buttons(*titles: str) -> dict[str, Any]:
    shown = [{"type": "reply", "reply": {"id": str(n), "title": title}} for n, title in enumerate(titles)]
    return whatsapp("interactive", {"type": "button", "body": {"text": "Well?"}, "action": {"buttons": shown}})


WHATSAPP = [
    ("not for WhatsApp", {"to": ANA, "text": {"body": "oi"}}, 400, 100, "messaging_product"),
    ("no recipient", {"messaging_product": "whatsapp", "text": {"body": "oi"}}, 400, 100, "parameter to is required"),
    ("a name", text("whatsapp", "Ana", "oi"), 400, 131009, "not a valid phone number"),
    ("digits of another script", text("whatsapp", "٥٥١١٩٩٩٩٩٠٠٠٠", "oi"), 400, 131009, "not a valid phone number"),
    ("a wrong user id", {**text("whatsapp", "", "oi"), "recipient": "ana"}, 400, 131009, "user id"),
    ("no words", text("whatsapp", ANA, ""), 400, 100, "text['body'] is required"),
    ("blank words", text("whatsapp", ANA, " \n"), 400, 100, "text['body'] is required"),
    ("too many words", text("whatsapp", ANA, FACE * 4097), 400, 100, "at most 4096 characters"),
    ("words that are a number", whatsapp("text", {"body": 7}), 400, 100, "must be a string"),
    ("a kind that nobody knows", whatsapp("pigeon", {}), 400, 100, "Param type must be one of"),
    ("a crowd", whatsapp("text", {"body": "oi"}, recipient_type="crowd"), 400, 100, "recipient_type"),
    ("no part", {"messaging_product": "whatsapp", "to": ANA, "type": "image"}, 400, 100, "parameter image is required"),
    ("no file", whatsapp("image", {}), 400, 100, "image['link'] is required"),
    ("a link that is none", whatsapp("image", {"link": "cat.png"}), 400, 100, "not a valid URL"),
    ("a file that nobody uploaded", whatsapp("image", {"id": "42"}), 400, 100, "media attachment ID"),
    ("a long caption", whatsapp("video", {"link": "http://x", "caption": "x" * 1025}), 400, 100, "at most 1024"),
    ("words with a sound", whatsapp("audio", {"link": "http://x", "caption": "x"}), 400, 100, "Unexpected key"),
    ("a place without numbers", whatsapp("location", {"latitude": "north"}), 400, 100, "must be numbers"),
    ("a card without a name", whatsapp("contacts", [{}]), 400, 100, "formatted_name"),
    ("a reaction to nothing", whatsapp("reaction", {"emoji": FACE}), 400, 100, "message_id"),
    ("four buttons", buttons("a", "b", "c", "d"), 400, 131009, "Invalid buttons count"),
    ("a long button", buttons("x" * 21), 400, 131009, "Button title length"),
    ("two alike", buttons("yes", "yes"), 400, 131009, "Duplicated"),
    ("a long reference", {**text("whatsapp", ANA, "oi"), "biz_opaque_callback_data": "x" * 513}, 400, 100, "biz_opaque"),
    ("an unknown template", template("nothing"), 404, 132001, "does not exist in en_US"),
    ("another language", template("hello_world", "pt_BR"), 404, 132001, "does not exist in pt_BR"),
    ("a rejected template", template("spam"), 404, 132001, "does not exist"),
    ("a paused template", template("tired"), 400, 132015, "paused"),
    ("too few values", template("order", "en_US", "7"), 400, 132000, "(1) does not match the expected number of params (2)"),
    ("too many values", template("order", "en_US", "7", "8", "9"), 400, 132000, "(3) does not match"),
    ("an empty value", template("order", "en_US", "7", ""), 400, 131008, "missing text value"),
    ("a line break in a value", template("order", "en_US", "7", "a\nb"), 400, 132018, "new-line"),
    ("nothing that was read", {"messaging_product": "whatsapp", "status": "read"}, 400, 100, "message_id"),
]
TEMPLATES = [
    {"name": "order", "components": [{"type": "BODY", "text": "Order {{1}} comes on {{2}}."}]},
    {"name": "tired", "status": "PAUSED", "components": []},
    {"name": "spam", "status": "REJECTED", "components": []},
]


@pytest.mark.parametrize(("case", "body", "status", "code", "words"), WHATSAPP, ids=[each[0] for each in WHATSAPP])
async def test_whatsapp_refuses(world: World, case: str, body: Any, status: int, code: int, words: str) -> None:
    """The code and the details, in WhatsApp's block for them; nothing arrives."""
    await world.control("PUT", "/templates", json={"templates": TEMPLATES})
    found, answer = await graph(world, "whatsapp", body)
    error = answer["error"]
    assert (found, error["code"], error["type"]) == (status, code, "OAuthException")
    assert words in error["error_data"]["details"], error
    assert (error["error_data"]["messaging_product"], bool(error["fbtrace_id"])) == ("whatsapp", True)
    assert error["message"].startswith(f"(#{code})")
    assert await world.sent() == []


IG, FB = "instagram", "messenger"
LINK = {"url": "http://127.0.0.1:9/x"}
MESSAGING = [
    (IG, sent("ana", {"text": "oi"}), (100, 2534014), "cannot be found"),
    (FB, sent("ana", {"text": "oi"}), (100, 2018001), "No matching user"),
    (FB, sent("٦٧٨", {"text": "oi"}), (100, 2018001), "No matching user"),
    (IG, {"message": {"text": "oi"}}, (100, 0), "recipient is required"),
    (IG, {"recipient": {"id": "6789012345"}}, (100, 0), "message is required"),
    (FB, sent("6789012346", {}), (100, 0), "non-empty"),
    (IG, sent("6789012345", {"text": WIDE * 501}), (100, 0), "less than or equal to 1000"),
    (FB, sent("6789012346", {"text": FACE * 2001}), (100, 0), "less than or equal to 2000"),
    (FB, sent("6789012346", {"text": "oi"}, messaging_type="SHOUT"), (100, 0), "messaging_type"),
    (IG, sent("6789012345", {"attachment": {"type": "pigeon", "payload": LINK}}), (100, 0), "attachment"),
    (IG, sent("6789012345", {"attachment": {"type": "image", "payload": {"url": "cat"}}}), (100, 0), "valid URL"),
    (IG, sent("6789012345", {"attachment": {"type": "image", "payload": LINK}}), (100, 2018008), "fetch the file"),
]


@pytest.mark.parametrize(("channel", "body", "code", "words"), MESSAGING)
async def test_the_messaging_platform_refuses(world: World, channel: str, body: Any, code: Any, words: str) -> None:
    """Codes and subcodes, each provider's own type of error, and no block of WhatsApp's."""
    status, answer = await graph(world, channel, body)
    error = answer["error"]
    assert (status, error["code"], error.get("error_subcode", 0)) == (400, *code)
    assert words in error["message"]
    assert error["type"] == {IG: "IGApiException", FB: "OAuthException"}[channel]
    assert "error_data" not in error
    assert await world.sent() == []


ACTIVE = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
TELEGRAM: list[tuple[str, dict[str, Any], int, str]] = [
    ("sendMessage", {"chat_id": 123456}, 400, "Bad Request: message text is empty"),
    ("sendMessage", {"chat_id": 123456, "text": ""}, 400, "Bad Request: message text is empty"),
    ("sendMessage", {"chat_id": 123456, "text": " \n "}, 400, "Bad Request: text must be non-empty"),
    ("sendMessage", {"chat_id": 123456, "text": FACE * 4097}, 400, "Bad Request: message is too long"),
    ("sendMessage", {"chat_id": 123456, "text": "x" * 40_000}, 400, "Bad Request: text is too long"),
    ("sendMessage", {"chat_id": 123456, "text": "oi", "parse_mode": "rtf"}, 400, "Bad Request: unsupported parse_mode"),
    ("sendMessage", {"text": "oi"}, 400, "Bad Request: chat_id is empty"),
    ("sendMessage", {"chat_id": "@ana", "text": "oi"}, 400, "Bad Request: chat not found"),
    ("sendMessage", {"chat_id": 0, "text": "oi"}, 400, "Bad Request: chat not found"),
    ("sendMessage", {"chat_id": 1 << 64, "text": "oi"}, 400, "Bad Request: chat not found"),
    ("sendMessage", {"chat_id": "١٢٣٤٥٦", "text": "oi"}, 400, "Bad Request: chat not found"),
    ("sendPhoto", {"chat_id": 123456}, 400, "Bad Request: there is no photo in the request"),
    ("sendPhoto", {"chat_id": 123456, "photo": "cat.png"}, 400, "Bad Request: wrong file identifier/HTTP URL specified"),
    ("sendPhoto", {"chat_id": 123456, "photo": "http://127.0.0.1:9/"}, 400, "Bad Request: failed to get HTTP URL content"),
    ("sendVideo", {"chat_id": 1, "video": "http://x", "caption": "x" * 1025}, 400, "Bad Request: message caption is too long"),
    ("getFile", {"file_id": "42"}, 400, "Bad Request: invalid file_id"),
    ("getUpdates", {}, 409, ACTIVE),
    ("setWebhook", {"url": "http://example.org/"}, 400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook"),
    ("setWebhook", {"url": "https://a.b", "secret_token": "é"}, 400, "Bad Request: secret token contains unallowed characters"),
    ("setWebhook", {"url": "https://example.org/", "secret_token": "a" * 257}, 400, "Bad Request: secret token is too long"),
    ("sendPigeon", {"chat_id": 123456}, 404, "Not Found: method not found"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "given", "code", "words"), TELEGRAM)
async def test_telegram_refuses(world: World, method: str, given: dict[str, Any], code: int, words: str) -> None:
    """ok: false, the code and Telegram's own words, whole; nothing arrives."""
    status, answer = await bot(world, method, **given)
    assert (status, answer) == (code, {"ok": False, "error_code": code, "description": words})
    assert await world.sent() == []


@pytest.mark.parametrize(
    ("channel", "words", "taken"),
    [
        ("whatsapp", FACE * 4096, True),
        ("instagram", WIDE * 500, True),
        ("messenger", FACE * 2000, True),
    ],
)
async def test_what_just_fits_is_taken(world: World, channel: str, words: str, taken: bool) -> None:
    """Limits are counted in the provider's own unit: characters, or bytes on Instagram."""
    status, answer = await graph(world, channel, text(channel, PEOPLE[channel], words))
    assert (status == 200) is taken, answer
    [arrived] = await world.sent(channel=channel)
    assert arrived["text"] == words


async def test_a_text_that_just_fits_telegram(world: World) -> None:
    """4096 characters, whatever they are in UTF-16."""
    status, answer = await bot(world, "sendMessage", chat_id=123456, text=FACE * 4096)
    assert (status, answer["result"]["text"]) == (200, FACE * 4096)


@pytest.mark.parametrize("channel", BY_META)
async def test_a_token_is_taken_from_the_query_as_well(world: World, channel: str) -> None:
    """In the header or the query; a wrong or a missing one gets Meta's error, and nothing arrives."""
    url = f"{world.url(channel)}/{VERSION}/{ACCOUNTS[channel]}/messages"
    body, token = text(channel, PEOPLE[channel], "oi"), world.secret(f"{channel}_token")
    for query, code in (({}, {"whatsapp": 0}.get(channel, 104)), ({"access_token": "guess"}, 190)):
        async with world.session.post(url, json=body, params=query) as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["code"], error["type"]) == (401, code, "OAuthException")
            assert "error_data" not in error
    assert await world.sent() == []
    async with world.session.post(url, json=body, params={"access_token": token}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("token", ["bot1:guess", "bot1000000001:guess"])
async def test_a_strange_bot_is_unauthorized(world: World, token: str) -> None:
    """A token of the right form that is not the bot's; what is no token at all is no place."""
    for path, status, words in ((token, 401, "Unauthorized"), ("bot", 404, "Not Found"), ("robot", 404, "Not Found")):
        async with world.session.get(f"{world.url('telegram')}/{path}/getMe") as answer:
            assert (answer.status, await answer.json()) == (status, {"ok": False, "error_code": status, "description": words})


@pytest.mark.parametrize("channel", BY_META)
async def test_an_object_that_does_not_exist(world: World, channel: str) -> None:
    """An id that is nothing's gets the Graph's own error: an unknown file is no phone number."""
    name = "99999999999" if channel == "whatsapp" else "nobody"
    status, answer = await ask(world, channel, name)
    error = answer["error"]
    assert (status, error["code"], error["error_subcode"], error["type"]) == (400, 100, 33, "GraphMethodException")
    assert f"Object with ID '{name}' does not exist" in error["message"]


RULES = [
    ("telegram", {"status": 403, "code": 403}, "Forbidden: bot was blocked by the user"),
    ("telegram", {"status": 403, "code": 403, "words": "Forbidden: user is deactivated"}, "Forbidden: user is deactivated"),
    ("telegram", {"status": 400, "code": 400}, "Bad Request: chat not found"),
    ("telegram", {"status": 429, "code": 429, "retry_after": 7}, "Too Many Requests: retry after 7"),
    ("telegram", {"status": 502, "code": 502, "words": "Bad Gateway"}, "Bad Gateway"),
]


@pytest.mark.parametrize(("channel", "rule", "words"), RULES)
async def test_rules_speak_the_providers_words(world: World, channel: str, rule: dict[str, Any], words: str) -> None:
    """What a test makes a provider say is said as the provider says it."""
    await world.behave(channel, rules=[rule])
    status, answer = await bot(world, "sendMessage", chat_id=123456, text="oi")
    assert (status, answer["description"]) == (rule["status"], words)
