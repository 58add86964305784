"""What WhatsApp is sent for each kind of content: word for word, and beside what pywa, which knows nothing of us, sends."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.web_request import BaseRequest
from pywa import WhatsApp as Pywa
from pywa import types as wa
from pywa.types.templates import BodyText, HeaderImage, HeaderText, TemplateLanguage, URLButton

from chat4all.channels import open_channel
from chat4all.channels.whatsapp import WhatsApp
from chat4all.model.content import (
    Card,
    Choices,
    ContactCards,
    Content,
    Form,
    Link,
    Location,
    Media,
    Option,
    Reaction,
    Template,
    TemplateParameters,
    type_of,
)
from chat4all.model.messages import Recipient
from chat4all.ports import Channel, FileLink, Outgoing
from chat4all.services.acceptance.adaptation import carried
from chat4all.services.acceptance.renditions import rendered
from chat4all.settings import Settings
from tests.channels.conftest import Open, serving

ANA, REFERENCE, URL = "+5511999990000", "whatsapp:0:7:0", "https://files.example/1"
YES_NO = (Option("a" * 200, "Yes"), Option("no", "No"))
DAYS = (Option("1", "Friday", "in the morning", "This week"), Option("2", "Monday", "", "Next week"))


def outgoing(text: str = "", address: str = ANA, **more: Any) -> Outgoing:
    return Outgoing(address, text, REFERENCE, **more)


async def sent(opened: Open, send: Callable[[Channel], Any]) -> dict[str, Any]:
    """The body of the one request that this makes."""
    bodies: list[dict[str, Any]] = []

    async def handler(request: BaseRequest) -> web.Response:
        bodies.append(json.loads(await request.read()))
        return web.json_response({"messages": [{"id": "wamid.X"}]})

    async with serving(handler) as url:
        assert await send(opened("whatsapp", url)) == "wamid.X"
    [body] = bodies
    return body


def pywas(send: Callable[[Pywa], Any]) -> dict[str, Any]:
    """The body that pywa makes of it."""
    bodies: list[dict[str, Any]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        taken = {"contacts": [{"input": ANA, "wa_id": ANA[1:]}], "messages": [{"id": "wamid.X"}]}
        return httpx.Response(200, json={"messaging_product": "whatsapp"} | taken)

    with httpx.Client(transport=httpx.MockTransport(handler), base_url="https://graph.example/v23.0") as session:
        send(Pywa("100000000000001", "token", session=session, server=None))
    [body] = bodies
    return body


def full(value: Any, name: str = "") -> Any:
    """The same without what says nothing, which pywa writes as null or empty; types in small letters, as Meta has them."""
    if isinstance(value, dict):
        return {key: full(each, key) for key, each in value.items() if each is not None and each != []}
    if isinstance(value, list):
        return [full(each) for each in value]
    return value.lower() if name in ("type", "sub_type") else value


def buttons(*titles: str) -> list[Any]:
    return [wa.Button(title, callback_data=f"{REFERENCE}#{number}") for number, title in enumerate(titles, 1)]


SECTIONS = wa.SectionList(
    "Pick a day",
    [
        wa.Section("This week", [wa.SectionRow("Friday", f"{REFERENCE}#1", "in the morning")]),
        wa.Section("Next week", [wa.SectionRow("Monday", f"{REFERENCE}#2")]),
    ],
)
RUI = wa.Contact(
    name=wa.Contact.Name(formatted_name="Rui Melo", first_name="Rui Melo"),
    phones=[wa.Contact.Phone(phone="+351 911 000 000", wa_id="351911000000"), wa.Contact.Phone(phone="+351 2")],
    emails=[wa.Contact.Email(email="rui@mail.example")],
    urls=[wa.Contact.Url(url="https://melo.example")],
    addresses=[wa.Contact.Address(street="Rua A, 1")],
    org=wa.Contact.Org(company="Melo & Co"),
    birthday="1990-02-01",
)
CARD = Card(
    "Rui Melo", ("+351 911 000 000", "+351 2"), ("rui@mail.example",), "Melo & Co", ("Rua A, 1",), ("https://melo.example",),
    "1990-02-01", {"whatsapp": "+351911000000", "telegram": "9"},
)  # fmt: skip
# Content, and how pywa is told to send the same.
SAME: dict[str, tuple[Content, Callable[[Pywa], Any]]] = {
    "location": (Location(1.5, -2, "Café"), lambda to: to.send_location(ANA, 1.5, -2, name="Café", tracker=REFERENCE)),
    "contacts": (ContactCards((CARD,)), lambda to: to.send_contact(ANA, [RUI], tracker=REFERENCE)),
    "buttons": (
        Choices("Well?", YES_NO, header="Tea", footer="Thanks"),
        lambda to: to.send_message(
            ANA, "Well?", header="Tea", footer="Thanks", buttons=buttons("Yes", "No"), tracker=REFERENCE
        ),
    ),
    "list": (
        Choices("When?", DAYS, style="list", button="Pick a day"),
        lambda to: to.send_message(ANA, "When?", buttons=SECTIONS, tracker=REFERENCE),
    ),
    "link": (
        Choices("Look", links=(Link("Open", "https://shop.example"),)),
        lambda to: to.send_message(ANA, "Look", buttons=wa.URLButton("Open", "https://shop.example"), tracker=REFERENCE),
    ),
    "form": (
        Form("Book", "Begin", flow_id="77", token="t", screen="DAY", data={"days": 3}),
        lambda to: to.send_message(
            ANA,
            "Book",
            buttons=wa.FlowButton(
                "Begin", flow_id="77", flow_token="t", flow_message_version="3", flow_action_type=wa.FlowActionType.NAVIGATE,
                flow_action_screen="DAY", flow_action_payload={"days": 3},
            ),
            tracker=REFERENCE,
        ),
    ),
    "template": (
        Template("order", "en_US", TemplateParameters(("7",), ("Ana", "blue"), ("", "track/7"))),
        lambda to: to.send_template(
            ANA, "order", TemplateLanguage.ENGLISH_US,
            [HeaderText.params("7"), BodyText.params("Ana", "blue"), URLButton.params(url_variable="track/7", index=1)],
            tracker=REFERENCE,
        ),
    ),
    "template with a picture": (
        Template("order", "en_US", TemplateParameters((f"{URL}.png",))),
        lambda to: to.send_template(
            ANA, "order", TemplateLanguage.ENGLISH_US, [HeaderImage.params(image=f"{URL}.png")], tracker=REFERENCE
        ),
    ),
    "reaction": (Reaction("m1", "👍"), lambda to: to.send_reaction(ANA, "👍", "wamid.THEIRS", tracker=REFERENCE)),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
async def test_pywa_sends_the_same(name: str, opened: Open) -> None:
    """Field by field, for content of every kind that WhatsApp carries."""
    content, theirs = SAME[name]
    fitting = carried(content, WhatsApp.limits)
    assert fitting is not None
    ours = await sent(opened, lambda each: each.send_content(outgoing(targets=("wamid.THEIRS", "wamid.2")), fitting))
    assert ours == full(pywas(theirs))


FILES: dict[str, tuple[Media, str, Callable[[Pywa], Any]]] = {
    "picture": (
        Media("f", mime_type="image/png"), "look",
        lambda to: to.send_image(ANA, URL, caption="look", tracker=REFERENCE, reply_to_message_id="wamid.THEIRS"),
    ),
    "voice": (
        Media("f", mime_type="audio/ogg; codecs=opus", kind="voice"), "",
        lambda to: to.send_voice(ANA, URL, tracker=REFERENCE, reply_to_message_id="wamid.THEIRS"),
    ),
    "sticker": (
        Media("f", mime_type="image/webp", size=9, kind="sticker"), "",
        lambda to: to.send_sticker(ANA, URL, tracker=REFERENCE, reply_to_message_id="wamid.THEIRS"),
    ),
    "document": (
        Media("f", filename="bill.pdf", mime_type="application/pdf"), "yours",
        lambda to: to.send_document(
            ANA, URL, filename="bill.pdf", caption="yours", tracker=REFERENCE, reply_to_message_id="wamid.THEIRS"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
async def test_pywa_sends_the_same_file_and_quotes_the_same(name: str, opened: Open) -> None:
    """Pictures, voice notes, stickers and documents; each as the answer to a message."""
    file, words, theirs = FILES[name]
    ours = await sent(opened, lambda each: each.send_file(outgoing(words, reply_to="wamid.THEIRS"), file, FileLink(URL)))
    assert ours == full(pywas(theirs))


@pytest.mark.parametrize(
    ("file", "words", "kind"),
    [
        (Media("f", mime_type="image/webp", size=501_000, kind="sticker"), "", "document"),
        (Media("f", mime_type="image/png", size=9, kind="sticker"), "", "image"),
        (Media("f", mime_type="image/webp", size=9, kind="sticker"), "words", "document"),
        (Media("f", mime_type="audio/ogg", kind="voice"), "words", "document"),
        (Media("f", mime_type="image/jpeg", kind="document"), "", "document"),
        (Media("f", mime_type="video/mp4", kind="animation"), "", "video"),
        (Media("f", mime_type="image/gif", kind="animation"), "", "document"),
        (Media("f", mime_type="AUDIO/OGG; codecs=opus"), "", "audio"),
    ],
)
async def test_what_whatsapp_does_not_show_goes_as_a_document(file: Media, words: str, kind: str, opened: Open) -> None:
    """No words are lost, and nothing is called what it is not."""
    body = await sent(opened, lambda each: each.send_file(outgoing(words), file, FileLink(URL)))
    assert (body["type"], body[kind].get("caption", ""), body[kind].get("voice")) == (kind, words, None)


async def test_a_quote_stands_beside_every_kind(opened: Open) -> None:
    """`context` names the provider's id of the message; without one there is none."""
    for send in (
        lambda each: each.send_text(outgoing("yes", reply_to="wamid.THEIRS")),
        lambda each: each.send_content(outgoing(reply_to="wamid.THEIRS"), Location(1, 2)),
    ):
        assert (await sent(opened, send))["context"] == {"message_id": "wamid.THEIRS"}
    assert "context" not in await sent(opened, lambda each: each.send_text(outgoing("yes")))


async def test_a_reaction_is_taken_back(opened: Open) -> None:
    """By an empty emoji, which must be there."""
    body = await sent(opened, lambda each: each.send_content(outgoing(targets=("wamid.THEIRS",)), Reaction("m1")))
    assert body["reaction"] == {"message_id": "wamid.THEIRS", "emoji": ""}


async def test_a_form_without_a_beginning_is_opened_at_its_first_screen(opened: Open) -> None:
    """What is missing is left to WhatsApp; its token is our reference, so that the answers can be found."""
    body = await sent(opened, lambda each: each.send_content(outgoing(), Form(flow_id="77")))
    assert body["interactive"]["body"] == {"text": "…"}
    assert body["interactive"]["action"]["parameters"] == {
        "mode": "published", "flow_message_version": "3", "flow_token": REFERENCE, "flow_id": "77", "flow_cta": "Open",
    }  # fmt: skip


async def test_a_list_has_labels_within_their_limits(opened: Open) -> None:
    """A button and sections with words that are too long are cut; a section beside others has a title."""
    options = (Option("1", "A"), Option("2", "B", section="s" * 30), Option("3", "C", section="s" * 30))
    choices = Choices("?", options, style="list", button="b" * 30)
    action = (await sent(opened, lambda each: each.send_content(outgoing(), choices)))["interactive"]["action"]
    assert action["button"] == "b" * 19 + "…"
    assert [(each["title"], len(each["rows"])) for each in action["sections"]] == [("…", 1), ("s" * 23 + "…", 2)]
    alone = Choices("?", (Option("1", "A"),), style="list")
    action = (await sent(opened, lambda each: each.send_content(outgoing(), alone)))["interactive"]["action"]
    assert action == {"button": "Options", "sections": [{"rows": [{"id": f"{REFERENCE}#1", "title": "A"}]}]}


GROUP = "group.Y2FwaV9ncm91cDox"
MANY = tuple(Option(f"{number}", f"{number} " + "t" * 18, "d" * 72, "s" * 20) for number in range(10))
IN_WORDS: list[Content] = [
    Choices("Well?", YES_NO), Choices("q" * 4000, MANY, "list"), Location(1, 2), Form("Your order", "Open", "77"),
    ContactCards((Card("Rui", ("+351911",)),)), ContactCards((Card("Rui" * 60, ("+351911",), urls=("u" * 900,)),) * 10),
]  # fmt: skip


@pytest.mark.parametrize("content", IN_WORDS, ids=lambda each: f"{type_of(each)} {len(each.as_text())}")
@pytest.mark.parametrize("name", ["", "Ana"])
def test_groups_get_all_the_words_of_what_they_cannot_show(content: Content, name: str, settings: Settings) -> None:
    """In as many sends as they need; a person beside the group gets it as it is."""
    channels = {"whatsapp": open_channel("whatsapp", settings)}
    people = Recipient("ana", "whatsapp", ANA), Recipient("all", "whatsapp", GROUP), Recipient("eve", "whatsapp", "+5511988")
    (person, group, other), renditions = rendered(content, name, people, channels)
    words = renditions[group.rendition - 1]
    assert all(isinstance(each, str) and len(each) <= 4096 for each in words)
    spoken = f"{name}: {content.as_text()}" if name else content.as_text()
    assert "".join("".join(map(str, words)).split()) == "".join(spoken.split())
    assert person.rendition == other.rendition
    parts = renditions[person.rendition - 1] if person.rendition else (content,)
    assert {type(each) for each in parts} - {str} == {type(content)}


async def test_groups_take_words_files_and_templates(opened: Open, settings: Settings) -> None:
    """Everything goes to the group's id; no reaction is made there."""
    limits = open_channel("whatsapp", settings).limits.at(GROUP)
    template = Template("hello_world", "en_US")
    assert carried(template, limits) == template
    assert not limits.carries(Reaction("m1", "👍"))
    body = await sent(opened, lambda each: each.send_content(outgoing(address=GROUP), template))
    assert (body["recipient_type"], body["to"]) == ("group", "Y2FwaV9ncm91cDox")
    assert body["template"] == {"name": "hello_world", "language": {"code": "en_US"}}


@pytest.mark.parametrize("address", ["group.Y2FwaV9ncm91cDox", "group.12036@g.us", "US.1234", ANA])
def test_addresses_of_groups_and_people_are_told_apart(address: str, settings: Settings) -> None:
    """Each is written in one way; a group without an id, or with blanks in it, is no address."""
    channel = open_channel("whatsapp", settings)
    assert channel.address(f" {address} ") == address
    for wrong in ("group.", "group.a b", "groups.a"):
        with pytest.raises(ValueError, match="WhatsApp address"):
            channel.address(wrong)


@pytest.mark.parametrize(
    ("choices", "style"),
    [
        (Choices("?", YES_NO), "buttons"),
        (Choices("?", (*YES_NO, Option("3", "Perhaps"), Option("4", "Later"))), "list"),
        (Choices("?", tuple(Option(str(each), f"Day {each}") for each in range(11))), None),
        (Choices("?" * 1025, YES_NO), "list"),
        (Choices("?", (Option("1", "x" * 21),)), "list"),
        (Choices("?", (Option("1", "x" * 25),)), None),
        (Choices("?", DAYS), "list"),
        (Choices("?", YES_NO, links=(Link("Open", URL),)), None),
        (Choices("?", links=(Link("Open", URL), Link("Shut", URL))), None),
        (Choices("?", links=(Link("Open", URL),), style="keyboard"), "buttons"),
    ],
)
def test_choices_take_the_style_that_whatsapp_shows(choices: Choices, style: str | None) -> None:
    """Buttons, lists and a link by the declared limits; what fits none becomes words."""
    found = carried(choices, WhatsApp.limits)
    assert (found.style if isinstance(found, Choices) else None) == style
