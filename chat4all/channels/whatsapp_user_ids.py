"""Reads that somebody's user id became another one: the same person, in the same conversation."""

from collections.abc import Iterator
from typing import Any

from chat4all.channels import whatsapp_inbound
from chat4all.channels.json_fields import fields, ident, items
from chat4all.ports import Moved, Named, Unreadable, Update

FIELD = "user_id_update"
# Within one business, and within the portfolio that it is of.
KINDS = ("user_id", "parent_user_id")


def read(value: dict[str, Any], account: str) -> Iterator[Update]:
    """Each id that changed; and, where the person is named by number too, that the new ones are theirs."""
    changed = items(value.get(FIELD))
    if not changed:
        yield Unreadable("user ids")
    for each in map(fields, changed):
        moved = [found for kind in KINDS if (found := _moved(fields(each, kind), account))]
        names = whatsapp_inbound.names([{"wa_id": each.get("wa_id")}]) + tuple(found.to for found in moved)
        if moved:
            yield from moved
            yield from [Named(whatsapp_inbound.NAME, names)] if len(names) > 1 else []
        else:
            yield Unreadable("user id")


def _moved(change: dict[str, Any], account: str) -> Moved | None:
    was, to = ident(change.get("previous")), ident(change.get("current"))
    are_ids = all(whatsapp_inbound.USER_ID.fullmatch(each) for each in (was, to))
    return Moved(whatsapp_inbound.NAME, account, was, to) if are_ids and was != to else None
