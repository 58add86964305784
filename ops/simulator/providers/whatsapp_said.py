"""What people send on WhatsApp beside words and files, as its webhooks say it."""

from collections.abc import Callable
from typing import Any

from ops.simulator.providers.provider import encode

Content = dict[str, Any]


def of(content: Content, text: str) -> dict[str, Any]:
    """The type, and the part of that name. ValueError: people on WhatsApp send no such thing.

    `content` is as the service's API shows it: a `target` is the id of a message, an answer has the `option` that came with
    the choice, its `title`, and "list" as its `style` where a row of a list was chosen, with the row's `description`.
    """
    kind = str(content.get("type", "text"))
    if kind not in MAKERS:
        raise ValueError(f"people on WhatsApp send no {kind}; known: {', '.join(MAKERS)}")
    try:
        return MAKERS[kind](content, text)
    except (AttributeError, TypeError, KeyError) as error:
        raise ValueError(f"this is no {kind} as the API shows it: {error}") from None


def context(content: Content, quoted: str, shown_number: str) -> dict[str, Any]:
    """What it answers, and whether it is passed on. What was chosen answers the choices."""
    answers = quoted or (_target(content) if content.get("type") in {"answer", "form"} and content.get("target") else "")
    found: dict[str, Any] = {"from": shown_number, "id": answers} if answers else {}
    if content.get("forwarded"):
        found["forwarded"] = True
    product = {"referred_product": content["product"]} if content.get("product") else {}
    return found | product


def _target(content: Content) -> str:
    target = content.get("target")
    if not isinstance(target, str) or not target:
        raise ValueError("target: the id of the message that this is about")
    return target


def _text(content: Content, text: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": content.get("text") or text}}


def _location(content: Content, _text: str) -> dict[str, Any]:
    place = {name: content[name] for name in ("latitude", "longitude", "name", "address") if name in content}
    if not {"latitude", "longitude"} <= place.keys():
        raise ValueError("a location has a latitude and a longitude")
    return {"type": "location", "location": place}


def _cards(content: Content, _text: str) -> dict[str, Any]:
    return {"type": "contacts", "contacts": [_card(each) for each in content.get("cards", [])]}


def _card(card: Content) -> dict[str, Any]:
    name = str(card.get("name", ""))
    told: dict[str, Any] = {"name": {"formatted_name": name, "first_name": name}}
    if card.get("phones"):
        told["phones"] = [
            {"phone": each, "wa_id": "".join(filter(str.isdigit, each)), "type": "CELL"} for each in card["phones"]
        ]
    if card.get("emails"):
        told["emails"] = [{"email": each} for each in card["emails"]]
    if card.get("organization"):
        told["org"] = {"company": card["organization"]}
    return told


def _reaction(content: Content, _text: str) -> dict[str, Any]:
    """Without an emoji where it is taken back."""
    part = {"message_id": _target(content)}
    return {"type": "reaction", "reaction": part | ({"emoji": content["emoji"]} if content.get("emoji") else {})}


def _answer(content: Content, text: str) -> dict[str, Any]:
    """A button or a row that was sent with a question; without an option a button of a template."""
    title, option = content.get("title") or text, content.get("option", "")
    if not option:
        return {"type": "button", "button": {"text": title, "payload": content.get("data") or title}}
    style = "list_reply" if content.get("style") == "list" else "button_reply"
    reply = {"id": option, "title": title}
    if style == "list_reply" and content.get("description"):
        reply["description"] = content["description"]
    return {"type": "interactive", "interactive": {"type": style, style: reply}}


def _form(content: Content, _text: str) -> dict[str, Any]:
    given = encode({"flow_token": content.get("token", "unused")} | content.get("answers", {})).decode()
    reply = {"name": "flow", "body": content.get("text") or "Sent", "response_json": given}
    return {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": reply}}


def _edit(content: Content, text: str) -> dict[str, Any]:
    words = content.get("content", {}).get("text") or text
    inner = {"type": "text", "text": {"body": words}}
    return {"type": "edit", "edit": {"original_message_id": _target(content), "message": inner}}


def _deletion(content: Content, _text: str) -> dict[str, Any]:
    return {"type": "revoke", "revoke": {"original_message_id": _target(content)}}


def _order(content: Content, text: str) -> dict[str, Any]:
    names = {"product_id": "product_retailer_id", "quantity": "quantity", "price": "item_price", "currency": "currency"}
    lines = [{name: each[ours] for ours, name in names.items() if ours in each} for each in content.get("items", [])]
    order = {"catalog_id": content.get("catalog_id", "1"), "product_items": lines, "text": content.get("text") or text}
    return {"type": "order", "order": order}


def _call(content: Content, _text: str) -> dict[str, Any]:
    """Leave to call, given or refused. Calls themselves are told in a field of their own."""
    response = "accept" if content.get("status") == "allowed" else "reject"
    reply = {"response": response, "response_source": "user_action"}
    return {"type": "interactive", "interactive": {"type": "call_permission_reply", "call_permission_reply": reply}}


def _unsupported(content: Content, _text: str) -> dict[str, Any]:
    details = "Message type is currently not supported."
    error = {"code": 131051, "title": "Message type unknown", "message": "Message type unknown"}
    kind = {"unsupported": {"type": content["kind"]}} if content.get("kind") else {}
    return {"type": "unsupported", "errors": [error | {"error_data": {"details": details}}]} | kind


MAKERS: dict[str, Callable[[Content, str], dict[str, Any]]] = {
    "text": _text,
    "location": _location,
    "contact_cards": _cards,
    "reaction": _reaction,
    "answer": _answer,
    "form": _form,
    "edit": _edit,
    "deletion": _deletion,
    "order": _order,
    "call": _call,
    "unsupported": _unsupported,
}
