"""Reads what people choose of a business in WhatsApp's own settings: whether they want its marketing messages."""

from collections.abc import Iterator
from typing import Any

from chat4all.channels import whatsapp_inbound
from chat4all.channels.json_fields import fields, items, words
from chat4all.channels.provider_times import within_second
from chat4all.ports import Aside, Consented, Unreadable, Update

FIELD = "user_preferences"
MARKETING = "marketing_messages"
# Whether somebody wants them, by the words of the webhook.
WISHES = {"stop": False, "resume": True}


def read(value: dict[str, Any], account: str) -> Iterator[Update]:
    """Who wants what. Each is named as in statuses, or by the contacts beside them where there is one."""
    chosen, contacts = items(value.get(FIELD)), items(value.get("contacts"))
    if not chosen:
        yield Unreadable("preferences")
    for each in map(fields, chosen):
        named = whatsapp_inbound.names([each]) or (whatsapp_inbound.names(contacts) if len(contacts) == 1 else ())
        yield _preference(each, named, account)


def _preference(chosen: dict[str, Any], named: tuple[str, ...], account: str) -> Update:
    wish = WISHES.get(words(chosen.get("value")).lower())
    if words(chosen.get("category")) != MARKETING:
        return Aside("passed_over", "preference_of_another_kind")
    if wish is None or not named:
        return Unreadable("preference")
    return Consented(whatsapp_inbound.NAME, account, named, wish, within_second(chosen.get("timestamp")))
