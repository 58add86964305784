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
    for group in map(fields, items(value.get("groups"))) or [{}]:
        yield _change(group, account, field)


def _change(group: dict[str, Any], account: str, field: str) -> Update:
    group_id, kind = ident(group.get("group_id")), words(group.get("type"))
    if not GROUP_ID.fullmatch(group_id) or not kind:
        return Unreadable("group")
    content = _title(group) if kind == SETTINGS else _people(group, kind)
    if content is None:
        # A request to come in, another picture, something that the account asked for and did not get.
        return Aside("passed_over", field)
    mark = hashlib.sha256(msgspec.json.encode([kind, ident(group.get("request_id")), content])).hexdigest()[:20]
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


def _title(group: dict[str, Any]) -> ChatChange | None:
    subject = fields(group, "group_subject")
    name = words(subject.get("text"))
    return ChatChange("titled", text=name) if name and subject.get("update_successful") is not False else None


def _people(group: dict[str, Any], kind: str) -> ChatChange | None:
    if kind == "group_participants_add":
        people = _named(items(group.get("added_participants")))
        return ChatChange("joined", people) if people else None
    if kind == "group_participants_remove":
        people = _named(items(group.get("removed_participants")))
        by_us = words(group.get("initiated_by")) == BUSINESS
        return ChatChange("removed" if by_us else "left", people) if people else None
    return None


def _named(people: Sequence[object]) -> tuple[Participant, ...]:
    """By their addresses: more WhatsApp does not say of them."""
    found = (person_named(fields(each)) for each in people)
    return tuple(Participant("", address) for address in found if address)
