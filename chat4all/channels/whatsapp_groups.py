"""Reads what WhatsApp tells of its groups: who came, who left, and new names. Each is a message of the group itself."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from chat4all.channels.json_fields import fields, ident, items, words
from chat4all.channels.provider_times import within_second
from chat4all.channels.whatsapp_inbound import GROUP, GROUP_ID, NAME, person_named
from chat4all.model.content import ChatChange, Participant
from chat4all.ports import Aside, Inbound, Unreadable, Update

PARTICIPANTS = "group_participants_update"
SETTINGS = "group_settings_update"
FIELDS = frozenset({PARTICIPANTS, SETTINGS})
BUSINESS = "business"


def read(value: dict[str, Any], account: str, field: str) -> Iterator[Update]:
    """What became of each of these groups."""
    for group in [*map(fields, items(value.get("groups")))] or [{}]:
        yield _change(group, account, field)


def _change(group: dict[str, Any], account: str, field: str) -> Update:
    group_id = ident(group.get("group_id"))
    if not GROUP_ID.fullmatch(group_id):
        return Unreadable("group")
    content = _title(group) if field == SETTINGS else _people(group)
    if not isinstance(content, ChatChange):
        return content
    said = [words(group.get("type")), ident(group.get("request_id")), content]
    mark = hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:20]
    return Inbound(
        channel=NAME,
        account=account,
        provider_id=f"group:{group_id}:{ident(group.get('timestamp'))}:{mark}",
        address=f"{GROUP}{group_id}",
        text=content.as_text(),
        at=within_second(group.get("timestamp")),
        sender_name=content.text if content.kind == "titled" else "",
        content=content,
    )


def _title(group: dict[str, Any]) -> ChatChange | Aside | Unreadable:
    if "group_subject" not in group:
        # Another picture or description.
        return Aside("passed_over", SETTINGS)
    subject = fields(group, "group_subject")
    if subject.get("update_successful") is False:
        # The account asked for it, and did not get it.
        return Aside("passed_over", SETTINGS)
    name = words(subject.get("text"))
    return ChatChange("titled", text=name) if name else Unreadable("group")


def _people(group: dict[str, Any]) -> ChatChange | Aside | Unreadable:
    if "added_participants" in group:
        kind, people = "joined", _named(items(group["added_participants"]))
    elif "removed_participants" in group:
        by_us = words(group.get("initiated_by")) == BUSINESS
        kind, people = "removed" if by_us else "left", _named(items(group["removed_participants"]))
    else:
        # A request to come in.
        return Aside("passed_over", PARTICIPANTS)
    return ChatChange(kind, people) if people else Unreadable("group")


def _named(people: Sequence[object]) -> tuple[Participant, ...]:
    """By their addresses: more WhatsApp does not say of them."""
    found = (person_named(fields(each)) for each in people)
    return tuple(Participant("", address) for address in found if address)
