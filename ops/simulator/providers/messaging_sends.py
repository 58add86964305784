"""What a send to the messaging platform holds beside words and files: quick replies, templates, reactions, quotes.

Checked as the platform does it, and told as the service's API shows such content.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from chat4all.model.content import Choices, Link, Option, Reaction
from ops.simulator.model import Refused

QUICK_REPLIES_MOST = 13
BUTTONS_MOST = 3
TITLE_MOST = 20
PAYLOAD_MOST = 1000
BUTTON_TEXT_MOST = 640
ELEMENTS_MOST = 10
ELEMENT_TITLE_MOST = 80
ASKING = {"user_phone_number": "Phone number", "user_email": "Email"}


class QuickReply(Struct, frozen=True):
    """A reply that can be tapped."""

    content_type: str = ""
    title: str = ""
    payload: str = ""


class ReplyTo(Struct, frozen=True):
    """The message that a send quotes."""

    mid: str = ""


class ActionPayload(Struct, frozen=True):
    """What an action is about."""

    message_id: str = ""
    reaction: str = ""


class _Button(Struct, frozen=True):
    type: str = ""
    title: str = ""
    payload: str = ""
    url: str = ""


class _Element(Struct, frozen=True):
    title: str = ""
    subtitle: str = ""
    buttons: list[_Button] = []


class _Template(Struct, frozen=True):
    template_type: str = ""
    text: str = ""
    buttons: list[_Button] = []
    elements: list[_Element] = []


class _Attachment(Struct, frozen=True):
    payload: _Template = _Template()


class _Message(Struct, frozen=True):
    attachment: _Attachment = _Attachment()


class _Send(Struct, frozen=True):
    message: _Message = _Message()


_decode = msgspec.json.Decoder(_Send).decode


def invalid(words: str) -> Refused:
    """The platform's refusal of a parameter."""
    return Refused(100, words=f"(#100) {words}")


def quick_replies(text: str, replies: Sequence[QuickReply], cuts_titles: bool) -> Choices:
    """A text with replies to tap. `cuts_titles`: a long title is cut; else it is refused."""
    if len(replies) > QUICK_REPLIES_MOST:
        raise invalid(f"Param message[quick_replies] must have at most {QUICK_REPLIES_MOST} elements.")
    options = tuple(_reply(each, number, cuts_titles) for number, each in enumerate(replies))
    return Choices(text, options, "quick_replies")


def _reply(reply: QuickReply, number: int, cuts_titles: bool) -> Option:
    where = f"message[quick_replies][{number}]"
    if reply.content_type in ASKING:
        return Option(reply.content_type, ASKING[reply.content_type])
    if reply.content_type != "text":
        raise invalid(f"Param {where}[content_type] must be one of {{text, user_phone_number, user_email}}")
    if not reply.title:
        raise invalid(f"Param {where}[title] is required")
    if not cuts_titles:
        _check_length(f"{where}[title]", reply.title, TITLE_MOST)
    _check_payload(where, reply.payload)
    return Option(reply.payload, reply.title[:TITLE_MOST])


def _check_payload(where: str, payload: str) -> None:
    if not payload:
        raise invalid(f"Param {where}[payload] is required")
    _check_length(f"{where}[payload]", payload, PAYLOAD_MOST)


def _check_length(where: str, text: str, most: int) -> None:
    if len(text) > most:
        raise invalid(f"Length of param {where} must be less than or equal to {most}")


def template(body: bytes) -> Choices:
    """What the template of this send shows: buttons, or cards."""
    try:
        given = _decode(body).message.attachment.payload
    except msgspec.MsgspecError:
        raise invalid("Param message[attachment][payload] cannot be read as a template") from None
    where = "message[attachment][payload]"
    if given.template_type == "button":
        if not given.text:
            raise invalid(f"Param {where}[text] is required")
        _check_length(f"{where}[text]", given.text, BUTTON_TEXT_MOST)
        return _buttons(f"{where}[buttons]", given.text, given.buttons, 1)
    if given.template_type == "generic":
        return _cards(f"{where}[elements]", given.elements)
    raise invalid(f"Param {where}[template_type] must be one of {{button, generic}}")


def _buttons(where: str, text: str, buttons: Sequence[_Button], least: int) -> Choices:
    if not least <= len(buttons) <= BUTTONS_MOST:
        raise invalid(f"Param {where} must have between {least} and {BUTTONS_MOST} elements.")
    for number, each in enumerate(buttons):
        place = f"{where}[{number}]"
        if not each.title:
            raise invalid(f"Param {place}[title] is required")
        _check_length(f"{place}[title]", each.title, TITLE_MOST)
        if each.type == "postback":
            _check_payload(place, each.payload)
        elif each.type != "web_url":
            raise invalid(f"Param {place}[type] must be one of {{web_url, postback}}")
        elif not each.url.startswith(("http://", "https://")):
            raise invalid(f"Param {place}[url] should represent a valid URL")
    options = tuple(Option(each.payload, each.title) for each in buttons if each.type == "postback")
    return Choices(text, options, links=tuple(Link(each.title, each.url) for each in buttons if each.type == "web_url"))


def _cards(where: str, elements: Sequence[_Element]) -> Choices:
    if not 1 <= len(elements) <= ELEMENTS_MOST:
        raise invalid(f"Param {where} must have between 1 and {ELEMENTS_MOST} elements.")
    cards = []
    for number, each in enumerate(elements):
        if not each.title:
            raise invalid(f"Param {where}[{number}][title] is required")
        _check_length(f"{where}[{number}][title]", each.title, ELEMENT_TITLE_MOST)
        cards.append(_buttons(f"{where}[{number}][buttons]", f"{each.title}\n{each.subtitle}".strip(), each.buttons, 0))
    options, links = (tuple(one for card in cards for one in getattr(card, name)) for name in ("options", "links"))
    return Choices("\n\n".join(card.text for card in cards), options, links=links)


def reaction(action: str, payload: ActionPayload, known: frozenset[str]) -> Reaction:
    """What an action says of a message. `known`: the reactions that there are; none: every emoji."""
    if not payload.message_id:
        raise invalid("Param payload[message_id] is required")
    if action == "unreact":
        return Reaction(payload.message_id)
    if not payload.reaction:
        raise invalid("Param payload[reaction] is required")
    if known and payload.reaction not in known:
        raise invalid(f"Param payload[reaction] must be one of {{{', '.join(sorted(known))}}}")
    return Reaction(payload.message_id, "❤" if known else payload.reaction)


def template_of(content: dict[str, Any]) -> dict[str, Any]:
    """The template that shows these choices, as an echo tells it."""
    buttons = [{"type": "postback", "title": each["title"], "payload": each["id"]} for each in content.get("options", [])]
    links = [{"type": "web_url", "title": each["title"], "url": each["url"]} for each in content.get("links", [])]
    return {"template_type": "button", "text": content["text"], "buttons": [*buttons, *links]}
