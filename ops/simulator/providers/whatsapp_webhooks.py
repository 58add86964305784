"""What WhatsApp's webhooks say: statuses of messages, and what people write."""

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from ops.simulator.apps import KNOWN, user_id
from ops.simulator.model import Arrival, Attached, Said
from ops.simulator.providers import whatsapp_said
from ops.simulator.providers.provider import encode
from ops.simulator.providers.templates import Template
from ops.simulator.providers.whatsapp_sends import GROUP

SHOWN_NUMBER = "15550000001"
BUSINESS = "200000000000001"
CONVERSATION_MS = 24 * 3600 * 1000
PRICES = {
    "utility": {"billable": True, "pricing_model": "PMP", "category": "utility", "type": "regular"},
    "service": {"billable": False, "pricing_model": "PMP", "category": "service", "type": "free_customer_service"},
}
# What people call it, where WhatsApp sends it as something else.
SENT_AS = {"voice": "audio", "animation": "video"}
TEMPLATE = "template"
# Most is told in one field.
PARTICIPANTS, SETTINGS = "group_participants_update", "group_settings_update"
FIELDS = {"calls": "calls", PARTICIPANTS: PARTICIPANTS, SETTINGS: SETTINGS}
# Where the list in a value is not called as what it tells of.
LISTS = {PARTICIPANTS: "groups", SETTINGS: "groups"}
ERRORS_PAGE = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"


def contact(address: str, name: str = "", portfolio: str = "") -> dict[str, Any]:
    """Who somebody is: a number and a user id, or the user id alone of who shows no number; a group has its id."""
    profile = {"name": name or address}
    if address.startswith(GROUP):
        return {"profile": profile, "wa_id": address.removeprefix(GROUP)}
    if address.startswith("+"):
        return {"profile": profile, "wa_id": address.lstrip("+"), "user_id": user_id(address, portfolio)}
    return {"profile": profile, "user_id": address}


def speaker(said: Said) -> str:
    """Who wrote: in a group a person whose number follows from the name."""
    if not said.sender.startswith(GROUP):
        return said.sender
    return _number(said.name)


def _number(name: str) -> str:
    return f"+1555{int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10_000_000:07d}"


def status(arrival: Arrival, kind: str, at: int, code: int, title: str, details: str, portfolio: str) -> dict[str, Any]:
    """One status of a message."""
    told: dict[str, Any] = {"id": arrival.provider_id, "status": kind, "timestamp": str(at // 1000)} | _recipient(
        arrival.to, portfolio
    )
    if arrival.reference:
        told["biz_opaque_callback_data"] = arrival.reference
    if code:
        error = {"code": code, "title": title, "message": title, "error_data": {"details": details}, "href": ERRORS_PAGE}
        return told | {"errors": [error]}
    return told | _price(arrival)


def _recipient(to: str, portfolio: str) -> dict[str, str]:
    if to.startswith(GROUP):
        return {"recipient_id": to.removeprefix(GROUP), "recipient_type": "group"}
    return {"recipient_id": to.lstrip("+"), "recipient_user_id": user_id(to, portfolio) if to.startswith("+") else to}


def _price(arrival: Arrival) -> dict[str, Any]:
    """What it costs: nothing within the window, and each template by its category."""
    category = "utility" if arrival.kind == "template" else "service"
    return {"conversation": _conversation(arrival.to, arrival.at // CONVERSATION_MS, category), "pricing": PRICES[category]}


@lru_cache(KNOWN)
def _conversation(to: str, day: int, category: str) -> dict[str, Any]:
    return {"id": hashlib.sha256(f"{to} {day}".encode()).hexdigest()[:32], "origin": {"type": category}}


def message(said: Said, portfolio: str) -> dict[str, Any]:
    """What a person writes or does."""
    told: dict[str, Any] = {"id": said.provider_id, "timestamp": str(said.at // 1000)} | _sender(said, portfolio)
    told |= _file(said.attached, said.text) if said.attached else whatsapp_said.of(said.content, said.text)
    context = whatsapp_said.context(said.content, said.reply_to, SHOWN_NUMBER)
    beside = {"context": context, "referral": said.content.get("referral")}
    return told | {name: each for name, each in beside.items() if each}


def _sender(said: Said, portfolio: str) -> dict[str, str]:
    sender = speaker(said)
    told = (
        {"from": sender.lstrip("+"), "from_user_id": user_id(sender, portfolio)}
        if sender.startswith("+")
        else {"from_user_id": sender}
    )
    return told | ({"group_id": said.sender.removeprefix(GROUP)} if said.sender.startswith(GROUP) else {})


def call(said: Said, portfolio: str) -> dict[str, Any]:
    """A person's call that ended, taken or not."""
    taken = said.content.get("status") == "ended"
    told = {"id": f"wacid.{said.provider_id.removeprefix('wamid.')}", "to": SHOWN_NUMBER, "event": "terminate"}
    told |= {"direction": "USER_INITIATED", "timestamp": str(said.at // 1000), "status": "COMPLETED" if taken else "FAILED"}
    return told | _sender(said, portfolio) | ({"duration": said.content.get("seconds", 1)} if taken else {})


def group_change(said: Said) -> tuple[str, str, dict[str, Any]]:
    """Somebody came into a group or left it, or it has another name; each is told in a field of its own. ValueError: WhatsApp
    tells no such thing.
    """
    kind = said.content.get("kind")
    if not said.sender.startswith(GROUP) or kind not in {"joined", "left", "removed", "titled"}:
        raise ValueError("in a group: joined, left, removed or titled")
    about = {"timestamp": str(said.at // 1000), "group_id": said.sender.removeprefix(GROUP)}
    if kind == "titled":
        subject = {"text": said.content["text"], "update_successful": True}
        return SETTINGS, said.account, about | {"type": SETTINGS, "group_subject": subject}
    people = [{"wa_id": _number(each["name"]).lstrip("+")} for each in said.content.get("people", ())]
    if kind == "joined":
        told = {"type": "group_participants_add", "reason": "invite_link", "added_participants": people}
        return PARTICIPANTS, said.account, about | told
    by = {"initiated_by": "business" if kind == "removed" else "participant"}
    return PARTICIPANTS, said.account, about | {"type": "group_participants_remove", "removed_participants": people} | by


def _file(attached: Attached, words: str) -> dict[str, Any]:
    kind = attached.kind or attached.mime_type.partition("/")[0]
    kind = "sticker" if attached.mime_type == "image/webp" and not attached.kind else SENT_AS.get(kind, kind)
    kind = kind if kind in {"image", "audio", "video", "sticker"} else "document"
    digest = base64.b64encode(bytes.fromhex(attached.sha256)).decode()
    part: dict[str, Any] = {"id": attached.media_id, "mime_type": attached.mime_type, "sha256": digest}
    if words and kind not in {"audio", "sticker"}:
        part["caption"] = words
    if kind == "document":
        part["filename"] = attached.filename
    if kind == "audio":
        part["voice"] = attached.kind == "voice" or (not attached.kind and attached.mime_type.startswith("audio/ogg"))
    return {"type": kind, kind: part}


def body(contents: Sequence[tuple[str, str, dict[str, Any], dict[str, Any]]]) -> bytes:
    """One entry; one change for each account and each field that is spoken of, with its people."""
    values: dict[tuple[str, str], dict[str, Any]] = {}
    entries = [item for what, _, item, _ in contents if what == TEMPLATE]
    for what, account, item, person in (each for each in contents if each[0] != TEMPLATE):
        metadata = {"display_phone_number": SHOWN_NUMBER, "phone_number_id": account}
        value = values.setdefault((account, what), {"messaging_product": "whatsapp", "metadata": metadata})
        if person:
            value.setdefault("contacts", []).append(person)
        value.setdefault(LISTS.get(what, what), []).append(item)
    changes = [{"field": FIELDS.get(what, "messages"), "value": value} for (_, what), value in values.items()]
    messages = [{"id": BUSINESS, "changes": changes}] if changes else []
    return encode({"object": "whatsapp_business_account", "entry": [*messages, *entries]})


def template_status(
    account: str, template: Template, template_id: str, at: int
) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """What became of a template, as one of the contents of a webhook. `at`: ms UTC."""
    value = {
        "event": template.status,
        "message_template_id": int(template_id),
        "message_template_name": template.name,
        "message_template_language": template.language,
        "message_template_category": template.category,
        "reason": "INVALID_FORMAT" if template.status == "REJECTED" else "NONE",
    }
    change = {"field": "message_template_status_update", "value": value}
    return TEMPLATE, account, {"id": BUSINESS, "time": at // 1000, "changes": [change]}, {}
