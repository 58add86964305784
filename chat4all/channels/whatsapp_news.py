"""What WhatsApp says of numbers and business accounts themselves: quality, limits, restrictions, alerts, templates.

Only codes and names that it defines are read: its sentences change, and may hold names of people.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chat4all.channels.json_fields import fields, ident, items, joined, words
from chat4all.model.account_health import ALERT, QUALITY, RESTRICTION, TEMPLATE, THROUGHPUT, TIER, AccountNews

CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
NAME = re.compile(r"[a-z0-9_]{1,512}")
UPGRADED = "THROUGHPUT_UPGRADE"
# What is over when one of these comes.
LIFTED = frozenset({"REINSTATE", "ACCOUNT_RESTORED", "VERIFIED_ACCOUNT"})
BAD_NEWS = frozenset({"DISABLED_UPDATE", "ACCOUNT_VIOLATION", "ACCOUNT_RESTRICTION", "ACCOUNT_DELETED", "PARTNER_REMOVED"})
WELL_TEMPLATES = frozenset({"APPROVED", "PENDING", "REINSTATED", "UNPAUSED", "GREEN", "UNKNOWN"})
WARNS = frozenset({"CRITICAL", "WARNING"})


def code(value: object) -> str:
    """A code as Meta writes them; empty for anything else."""
    found = words(value)
    return found if CODE.fullmatch(found) else ""


def _quality(value: Mapping[str, Any]) -> dict[str, str]:
    limit = code(value.get("max_daily_conversations_per_business")) or code(value.get("current_limit"))
    event = code(value.get("event"))
    # The same word says there that it may send faster.
    tier = {} if limit in {"", "TIER_UNLIMITED"} and event == UPGRADED else {TIER: limit}
    quality = {"FLAGGED": "RED", "UNFLAGGED": ""}.get(event)
    found = {name: text for name, text in tier.items() if text} | ({THROUGHPUT: "HIGH"} if event == UPGRADED else {})
    return found if quality is None else found | {QUALITY: quality}


def _capability(value: Mapping[str, Any]) -> dict[str, str]:
    most = value.get("max_daily_conversations_per_business", value.get("max_daily_conversation_per_phone"))
    if isinstance(most, str):
        return {TIER: code(most)} if code(most) else {}
    return {TIER: "unlimited" if most < 0 else str(most)} if isinstance(most, int) else {}


def _account(value: Mapping[str, Any]) -> dict[str, str]:
    event = code(value.get("event"))
    ban = fields(value, "ban_info")
    state = code(ban.get("waba_ban_state"))
    if event in LIFTED or state == "REINSTATE":
        return {RESTRICTION: ""}
    if event not in BAD_NEWS:
        return {}
    limits = [code(fields(each).get("restriction_type")) for each in items(value.get("restriction_info"))]
    violation = code(fields(value, "violation_info").get("violation_type"))
    return {RESTRICTION: joined(event, state, violation, *limits, by=" ")}


def _alert(value: Mapping[str, Any]) -> dict[str, str]:
    # Once under `alert_info`, once beside it.
    info = fields(value, "alert_info") or dict(value)
    severity, kind = code(info.get("alert_severity")), code(info.get("alert_type"))
    is_active = code(info.get("alert_status")) in {"", "ACTIVE"}
    return {ALERT: joined(severity, kind, by=" ") if severity in WARNS and is_active else ""}


def _template(value: Mapping[str, Any]) -> dict[str, str]:
    event = code(value.get("event")) or code(value.get("new_quality_score"))
    name = words(value.get("message_template_name"))
    language = words(value.get("message_template_language"))
    named = joined(name if NAME.fullmatch(name) else "", language if NAME.fullmatch(language.lower()) else "", by=" ")
    return {TEMPLATE: "" if event in WELL_TEMPLATES else joined(named, event, by=" ")} if event and name else {}


READERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "phone_number_quality_update": _quality,
    "business_capability_update": _capability,
    "account_update": _account,
    "account_alerts": _alert,
    "message_template_status_update": _template,
    "message_template_quality_update": _template,
}


def read(field: str, value: Mapping[str, Any], business: str) -> Iterator[AccountNews]:
    """The news in one change; none where nothing of it is known here."""
    notes = READERS[field](value) if field in READERS else {}
    if notes:
        number = "".join(filter(str.isdigit, words(value.get("display_phone_number"))))
        yield AccountNews("whatsapp", notes, ident(business), number)
