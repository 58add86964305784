"""What our WhatsApp channel sends arrives at people as what it is, and what people do is read as what they did."""

from base64 import b64encode
from typing import Any

import pytest

from chat4all.channels.whatsapp import WhatsApp
from chat4all.model.content import (
    Answer,
    Call,
    Card,
    ChatChange,
    Choices,
    ContactCards,
    Content,
    Deletion,
    Edit,
    Form,
    Link,
    Location,
    Media,
    Option,
    Order,
    OrderItem,
    Reaction,
    Template,
    Text,
    Unsupported,
    shown,
    type_of,
)
from chat4all.ports import ChoiceLimits, FileLink, Outgoing
from tests.simulator.calling import graph
from tests.simulator.conftest import World, until

ANA, GROUP, REFERENCE = "+5511999990000", "group.Y2FwaV9ncm91cDox", "whatsapp:0:7:0"
OPTIONS = (Option("1", "Friday", "in the morning", "This week"), Option("2", "Monday", "", "Next week"))


def outgoing(address: str = ANA, text: str = "", **more: Any) -> Outgoing:
    return Outgoing(address, text, REFERENCE, **more)


def tokens(content: Content) -> Any:
    """The content as the API shows it, with what WhatsApp is told in place of the options' ids."""
    told = shown(content)
    if isinstance(content, Choices):
        told["style"] = content.style
    told["options"] = [each | {"id": f"{REFERENCE}#{number}"} for number, each in enumerate(told.get("options", ()), 1)]
    return told


@pytest.mark.parametrize(
    "content",
    [
        Location(1.5, -2, "Café", "Rua A, 1"),
        ContactCards((Card("Rui Melo", ("+351 911",), ("rui@mail.example",)), Card("Eva"))),
        Choices("When?", OPTIONS, style="list", header="Tea", footer="Thanks", button="Pick"),
        Choices("Well?", (Option("y", "Yes"), Option("n", "No")), header="Tea", footer="Thanks"),
        Choices("Look", links=(Link("Open", "https://shop.example"),)),
        Form("Book", "Begin", flow_id="77", token="t", screen="DAY", data={"days": 3}),
        Template("hello_world", "en_US", text="Welcome and congratulations!"),
        Reaction("wamid.1", "👍"),
        Reaction("wamid.1"),
    ],
    ids=type_of,
)
async def test_content_arrives_as_what_it_is(world: World, content: Content) -> None:
    """With all that a phone shows of it, and what it answers."""
    message = outgoing(targets=("wamid.1",), reply_to="wamid.2")
    provider_id = await world.channels["whatsapp"].send_content(message, content)
    [arrived] = await world.sent()
    wanted = {name: value for name, value in tokens(content).items() if value not in ((), [], "", {})}
    found = {name: value for name, value in arrived["content"].items() if value not in ([], "")}
    assert found == _plain(wanted)
    assert (arrived["provider_id"], arrived["reply_to"], bool(arrived["text"])) == (provider_id, "wamid.2", True)


def _plain(value: Any) -> Any:
    """As JSON gives it back, without what says nothing."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if name != "parameters" or each}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


async def test_a_voice_note_is_one_and_a_sticker_too(world: World) -> None:
    """By id of what was uploaded they would be the same; here the link is not looked at before the answer."""
    channel = world.channels["whatsapp"]
    link = FileLink("http://127.0.0.1:1/file")
    await channel.send_file(outgoing(), Media("f", mime_type="audio/ogg", kind="voice"), link)
    await channel.send_file(outgoing(), Media("f", mime_type="image/webp", size=9, kind="sticker"), link)
    sent = await world.sent()
    assert [(each["kind"], each.get("content")) for each in sent] == [
        ("audio", {"type": "media", "kind": "voice"}),
        ("sticker", None),
    ]


async def test_of_a_reaction_only_that_it_was_sent_is_told(world: World) -> None:
    """So says Meta: it is neither delivered nor read."""
    reacted = await world.channels["whatsapp"].send_content(outgoing(targets=("wamid.1",)), Reaction("wamid.1", "👍"))
    written = await world.channels["whatsapp"].send_text(outgoing(text="oi"))
    await until(lambda: world.gateway.receipts(written) == ["sent", "delivered", "read"])
    assert world.gateway.receipts(reacted) == ["sent"]


def buttons(*titles: str, **more: Any) -> dict[str, Any]:
    replies = [{"type": "reply", "reply": {"id": str(number), "title": title}} for number, title in enumerate(titles)]
    return {"type": "button", "body": {"text": "?"}, "action": {"buttons": replies}} | more


def rows(count: int, sections: int = 1, button: str = "Pick", **row: str) -> dict[str, Any]:
    made = [
        {"title": "Days", "rows": [{"id": f"{each}-{number}", "title": "Day"} | row for number in range(count)]}
        for each in range(sections)
    ]
    return {"type": "list", "body": {"text": "?"}, "action": {"button": button, "sections": made}}


def link(**parameters: str) -> dict[str, Any]:
    given = {"display_text": "Open", "url": "https://a.example"} | parameters
    return {"type": "cta_url", "body": {"text": "?"}, "action": {"name": "cta_url", "parameters": given}}


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (buttons(), 131009),
        (buttons("a", "b", "c", "d"), 131009),
        (buttons("x" * 21), 131009),
        (buttons(""), 131009),
        (buttons("Yes", "Yes"), 131009),
        (buttons("Yes", body={"text": "x" * 1025}), 131009),
        (buttons("Yes", header={"type": "text", "text": "x" * 61}), 131009),
        (buttons("Yes", footer={"text": "x" * 61}), 131009),
        (buttons("Yes", action={"buttons": [{"type": "reply", "reply": {"id": "x" * 257, "title": "Yes"}}]}), 131009),
        (rows(11), 131009),
        (rows(6, 2), 131009),
        (rows(1, button="x" * 21), 131009),
        (rows(1, title="x" * 25), 131009),
        (rows(1, description="x" * 73), 131009),
        (rows(2, id="same"), 131009),
        (link(display_text="x" * 21), 131009),
        (link(url="shop.example"), 131009),
        ({"type": "carousel", "body": {"text": "?"}, "action": {}}, 100),
        ({"type": ["list"], "body": {"text": "?"}, "action": {}}, 100),
        ({"type": "button", "body": {"text": "?"}}, 131009),
    ],
)
async def test_limits_are_kept_as_meta_keeps_them(world: World, part: dict[str, Any], code: int) -> None:
    """What is too long, too many, twice or missing is refused, and nothing arrives."""
    body = {"messaging_product": "whatsapp", "to": ANA, "type": "interactive", "interactive": part}
    status, answer = await graph(world, "whatsapp", body)
    assert (status, answer["error"]["code"], await world.sent()) == (400, code, [])


@pytest.mark.parametrize(
    ("kind", "part", "more", "code"),
    [
        ("location", {"latitude": 91, "longitude": 0}, {}, 131009),
        ("location", {"latitude": "nan", "longitude": 0}, {}, 131009),
        ("contacts", [], {}, 100),
        ("contacts", [{"name": {"formatted_name": "Bia"}}], {}, 131009),
        ("reaction", {"message_id": "wamid.1"}, {}, 100),
        ("reaction", {"message_id": "wamid.1", "emoji": "yes"}, {}, 131009),
        ("text", {"body": "oi"}, {"context": {"message_id": "7"}}, 131009),
        ("text", {"body": "oi"}, {"context": {}}, 131009),
        ("location", {"latitude": 1, "longitude": 0}, {"recipient_type": "group", "to": "Y2Fw"}, 131051),
        ("text", {"body": "oi"}, {"recipient_type": "group", "to": "a b"}, 131009),
        ("text", {"body": "oi"}, {"recipient_type": "crowd"}, 100),
    ],
)
async def test_what_is_wrong_is_refused(world: World, kind: str, part: Any, more: dict[str, Any], code: int) -> None:
    """With Meta's code for it."""
    body = {"messaging_product": "whatsapp", "to": ANA, "type": kind, kind: part} | more
    status, answer = await graph(world, "whatsapp", body)
    assert (status, answer["error"]["code"]) == (400, code)


@pytest.mark.parametrize(("style", "limits"), WhatsApp.limits.choices.items())
async def test_the_declared_limits_are_taken(world: World, style: str, limits: ChoiceLimits) -> None:
    """Choices at the very edge of what the channel declares are not refused."""
    options = tuple(
        Option(str(each), f"{each:02}".rjust(limits.title_length, "x"), "y" * limits.description_length, "z" * 99)
        for each in range(limits.options)
    )
    edge = Choices("q" * limits.text_length, options, style, "h" * limits.header_length, "f" * limits.footer_length, "b" * 99)
    await world.channels["whatsapp"].send_content(outgoing(), edge)
    [arrived] = await world.sent()
    assert len(arrived["content"]["options"]) == limits.options


# What a person does, as the simulator is told, and what must be read of it.
SAID: list[tuple[dict[str, Any], Content]] = [
    (shown(Location(1.5, -2, "Café", "Rua A, 1")), Location(1.5, -2, "Café", "Rua A, 1")),
    (
        {"type": "contact_cards", "cards": [{"name": "Rui", "phones": ["+351 911000000"], "emails": ["r@mail.example"]}]},
        ContactCards((Card("Rui", ("+351 911000000",), ("r@mail.example",), ids={"whatsapp": "+351911000000"}),)),
    ),
    ({"type": "reaction", "target": "wamid.1", "emoji": "👍"}, Reaction(emoji="👍")),
    ({"type": "reaction", "target": "wamid.1", "emoji": ""}, Reaction()),
    ({"type": "answer", "target": "wamid.1", "option": f"{REFERENCE}#2", "title": "No"}, Answer(title="No")),
    (
        {"type": "answer", "target": "wamid.1", "option": "x", "title": "No", "style": "list", "description": "never"},
        Answer(title="No - never", data="x"),
    ),
    ({"type": "answer", "target": "wamid.1", "title": "Stop"}, Answer(title="Stop", data="Stop")),
    ({"type": "form", "target": "wamid.1", "token": "t", "answers": {"day": 3}}, Form("Sent", token="t", answers={"day": 3})),
    ({"type": "edit", "target": "wamid.1", "content": {"type": "text", "text": "at nine"}}, Edit(Text("at nine"))),
    ({"type": "deletion", "target": "wamid.1"}, Deletion()),
    (
        {"type": "order", "catalog_id": "9", "text": "ring", "items": [
            {"product_id": "RICE", "quantity": 3, "price": 2.25, "currency": "EUR"}]},
        Order((OrderItem("RICE", "", "3", "2.25", "EUR"),), "ring", "9"),
    ),
    ({"type": "call", "status": "missed"}, Call("missed")),
    ({"type": "call", "status": "ended", "seconds": 33}, Call("ended", "33 s")),
    ({"type": "call", "status": "allowed"}, Call("allowed")),
    ({"type": "unsupported", "kind": "poll_creation"}, Unsupported("poll_creation")),
]  # fmt: skip


@pytest.mark.parametrize(("told", "wanted"), SAID, ids=lambda each: each["type"] if isinstance(each, dict) else "")
async def test_what_people_do_is_read_as_that(world: World, told: dict[str, Any], wanted: Content) -> None:
    """By signed webhooks in WhatsApp's own form; what it is about comes beside it."""
    await world.says("whatsapp", ANA, "", content=told)
    await until(lambda: bool(world.gateway.said))
    [found] = world.gateway.said
    if isinstance(wanted, Unsupported):
        assert isinstance(found.content, Unsupported)
        assert (found.content.kind, b'"poll_creation"' in found.raw) == (wanted.kind, True)
    else:
        assert found.content == wanted
    assert (found.about, found.option) == (told.get("target", ""), told.get("option", "Stop" if "title" in told else ""))


async def test_people_send_voice_notes_pass_on_and_answer(world: World) -> None:
    """What a file is meant as, what is passed on, what is quoted, and the ad that somebody came from."""
    meant = {"voice": "audio/ogg", "sticker": "image/webp", "audio": "audio/ogg", "document": "image/png"}
    for kind, mime_type in meant.items():
        file = {"filename": "a", "mime_type": mime_type, "content": b64encode(b"meow").decode(), "kind": kind}
        await world.says("whatsapp", ANA, "", file=file)
    ad = {"source_type": "ad", "source_id": "55", "ctwa_clid": "c1"}
    await world.says("whatsapp", ANA, "look", reply_to="wamid.1", content={"type": "text", "forwarded": True, "referral": ad})
    await until(lambda: len(world.gateway.said) == 5)
    *files, last = world.gateway.said
    assert [each.kind for each in files] == [*meant]
    assert (last.text, last.reply_to, last.forwarded, last.referral) == ("look", "wamid.1", True, ad)


async def test_groups_change(world: World) -> None:
    """Who comes and goes, by themselves or not, and new names are told by the group, and by nobody in it."""
    ana = {"people": [{"name": "Ana"}]}
    changes: list[dict[str, Any]] = [{"kind": kind, **ana} for kind in ("joined", "left", "removed")]
    for told in (*changes, {"kind": "titled", "text": "Bakers"}):
        await world.says("whatsapp", GROUP, "", content={"type": "chat_change", **told})
    await until(lambda: len(world.gateway.said) == 4)
    read = [each.content for each in world.gateway.said]
    assert [each.kind for each in read if isinstance(each, ChatChange)] == ["joined", "left", "removed", "titled"]
    assert len({each.people for each in read[:3] if isinstance(each, ChatChange)}) == 1
    assert {(each.address, each.speaker) for each in world.gateway.said} == {(GROUP, "")}
    assert [each.sender_name for each in world.gateway.said] == ["", "", "", "Bakers"]
    await world.control("POST", "/inbound", 422, json={"channel": "whatsapp", "from": ANA, "content": {"type": "chat_change"}})


async def test_groups_talk(world: World) -> None:
    """People write in a group, each under their own name, and what is sent to it arrives there with its receipts."""
    await world.says("whatsapp", GROUP, "who brings cake?", name="Ana")
    await world.says("whatsapp", GROUP, "I do", name="Rui")
    await until(lambda: len(world.gateway.said) == 2)
    assert {each.address for each in world.gateway.said} == {GROUP}
    assert [each.speaker for each in world.gateway.said] == ["Ana", "Rui"]
    provider_id = await world.channels["whatsapp"].send_text(outgoing(GROUP, Location(1, 2).as_text()))
    await until(lambda: world.gateway.receipts(provider_id) == ["sent", "delivered", "read"])
    [arrived] = await world.sent(channel="whatsapp", to=GROUP)
    assert (arrived["kind"], "📍" in arrived["text"]) == ("text", True)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "poll"},
        {"type": ["poll"]},
        {"type": "reaction", "emoji": "👍"},
        {"type": "location", "latitude": 1},
        {"type": "edit", "target": "wamid.1", "content": 7},
        {"type": "contact_cards", "cards": 7},
    ],
)
async def test_what_nobody_can_do_is_refused(world: World, content: dict[str, Any]) -> None:
    """Whoever calls the control API is told why."""
    body = {"channel": "whatsapp", "from": ANA, "content": content}
    await world.control("POST", "/inbound", 422, json=body)
    assert world.gateway.said == []
