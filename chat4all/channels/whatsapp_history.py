"""Reads what was written on a number before it was connected (coexistence): the threads of WhatsApp's own app.

It comes in chunks after the business has agreed to it, in no order. What it says is in the past: it goes out to nobody.
"""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from chat4all.channels import whatsapp_inbound
from chat4all.channels.json_fields import fields, ident, items, words
from chat4all.channels.provider_times import within_second
from chat4all.ports import Inbound, Unreadable, Update

FIELD = "history"
# Stands for a file that comes by itself later, under the same id.
PLACEHOLDER = "media_placeholder"


def read(value: dict[str, Any], account: str) -> Iterator[Update]:
    """The messages of all threads, those of a thread by time; and files that come by themselves, for their placeholders."""
    for chunk in map(fields, items(value.get(FIELD))):
        threads = chunk.get("threads")
        if not isinstance(threads, list) and not chunk.get("errors"):
            yield Unreadable("history")
        for thread in map(fields, items(threads)):
            yield from _thread(thread, account)
    files = [fields(each) for each in items(value.get("messages"))]
    for each in files:
        yield from _historical(each, account, "to" in each)


def errors(value: dict[str, Any]) -> list[object]:
    """Why there is none: the business did not agree."""
    return [error for chunk in items(value.get(FIELD)) for error in items(fields(chunk).get("errors"))]


def _thread(thread: dict[str, Any], account: str) -> Iterator[Update]:
    messages = thread.get("messages")
    if not isinstance(messages, list):
        yield Unreadable("history thread")
    for each in sorted(map(fields, items(messages)), key=lambda message: within_second(message.get("timestamp"))):
        yield from _updates(each, thread, account)


def _updates(message: dict[str, Any], thread: dict[str, Any], account: str) -> Iterator[Update]:
    """Written by the person whose thread it is, or by the account."""
    person, user_id = ident(thread.get("id")), ident(fields(thread, "context").get("user_id"))
    sender, is_ours = ident(message.get("from")), fields(message, "history_context").get("from_me") is True
    if not sender and not is_ours:
        yield Unreadable("message without a sender")
        return
    is_echo = is_ours or sender != person
    names = {"to": person, "to_user_id": user_id} if is_echo else {"from": person, "from_user_id": user_id}
    if words(message.get("type")) == PLACEHOLDER:
        names["id"] = f"{ident(message.get('id'))}:placeholder"
    yield from _historical({**message, **names}, account, is_echo)


def _historical(message: dict[str, Any], account: str, is_echo: bool) -> Iterator[Update]:
    for each in whatsapp_inbound.read([message], [], account, is_echo):
        yield replace(each, is_history=True) if isinstance(each, Inbound) else each
