"""Reads the address book of a number that is in use in the WhatsApp Business app too (coexistence): what it calls people.

It comes once, when the business shares it, and then entry by entry as it changes.
"""

from collections.abc import Iterator
from typing import Any

from chat4all.channels import whatsapp_inbound
from chat4all.channels.json_fields import fields, items, joined, words
from chat4all.ports import Aside, Named, Unreadable, Update

FIELD = "smb_app_state_sync"
KNOWN = ("add", "edit", "remove")


def read(value: dict[str, Any]) -> Iterator[Update]:
    """Who is called how. A person who is taken out of the book stays who they are here."""
    entries = items(value.get("state_sync"))
    if not entries:
        yield Unreadable("address book")
    for each in map(fields, entries):
        yield _entry(each)


def _entry(entry: dict[str, Any]) -> Update:
    contact, action = fields(entry, "contact"), words(entry.get("action"))
    places = whatsapp_inbound.names([{"wa_id": contact.get("phone_number"), "user_id": contact.get("user_id")}])
    if entry.get("type") != "contact" or action not in KNOWN or not places:
        return Unreadable("address book entry")
    name = words(contact.get("full_name")) or joined(contact.get("first_name"), contact.get("last_name"))
    if action == "remove" or not name:
        return Aside("passed_over", "address_book_removed" if action == "remove" else "address_book_without_name")
    return Named(whatsapp_inbound.NAME, places, name)
