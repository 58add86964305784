"""Reads who wrote on WhatsApp, and makes updates of what they did: messages, moves, calls that ended."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from chat4all.channels.json_fields import fields, flat, ident, items, words
from chat4all.channels.provider_times import within_second
from chat4all.channels.whatsapp_content import Said, call, is_unreadable, kind_of, referral_of, said
from chat4all.ports import Aside, Inbound, Moved, Named, Unreadable, Update

NAME = "whatsapp"
MEXICO_OLD = re.compile(r"521[0-9]{10}")
BRAZIL_OLD = re.compile(r"55[1-9]{2}[6-9][0-9]{7}")
WA_ID = re.compile(r"\+?[0-9]{5,20}")
USER_ID = re.compile(r"[A-Z]{2}(\.ENT)?\.[A-Za-z0-9]{1,128}")
# A group's id says nothing of what it is: its address does.
GROUP = "group."
GROUP_ID = re.compile(r"[A-Za-z0-9+/=_.@-]{1,200}")


class _Person(Struct, frozen=True):
    """Who a message is from or to, by number, by user id, or both."""

    phone: str
    user_id: str
    name: str = ""

    @property
    def address(self) -> str:
        """The number where there is one: it is what people know each other by."""
        return number(self.phone) if self.phone else self.user_id


def number(digits: str) -> str:
    """A wa_id or number, with or without "+", as an address.

    Two countries changed how mobile numbers are written, and WhatsApp still names many people by the old form: Mexico
    dropped the 1 after 52, Brazil put a 9 before mobile numbers of eight digits. Both forms are one person.
    """
    bare = digits.removeprefix("+")
    if MEXICO_OLD.fullmatch(bare):
        bare = f"52{bare[3:]}"
    elif BRAZIL_OLD.fullmatch(bare):
        bare = f"{bare[:4]}9{bare[4:]}"
    return f"+{bare}"


def read(messages: Sequence[object], contacts: object, account: str, echoes: bool = False) -> Iterator[Update]:
    """The messages of one change, each by itself; the contacts beside them say who the senders are.

    `echoes`: they were written by the account itself, in WhatsApp's own app.
    """
    people = [_contact(each) for each in items(contacts)]
    for each in messages:
        yield from _updates(fields(each), people, account, echoes)


def names(contacts: Sequence[object]) -> tuple[str, ...]:
    """What WhatsApp calls the people that these name, each by number and by user ids."""
    return tuple(name for each in map(fields, contacts) for name in _called(each, "wa_id", ""))


def person_named(known: dict[str, Any]) -> str:
    """The address of somebody who is named by number, by user id, or by what was given for them; empty: none of these."""
    person = _person(known.get("wa_id") or known.get("input"), known.get("user_id") or known.get("recipient_user_id"))
    return person.address if person.phone or person.user_id else ""


def recipient(status: dict[str, Any]) -> Iterator[Named]:
    """Who a status is about, where it names them by more than one address. Of a group it names the group."""
    called = () if words(status.get("recipient_type")) == "group" else _called(status, "recipient_id", "recipient_")
    if len(called) > 1:
        yield Named(NAME, called)


def _called(known: dict[str, Any], phone: str, beginning: str) -> tuple[str, ...]:
    """The addresses of one person, each once, the number first. A person of a portfolio of businesses has an id there too."""
    person = _person(known.get(phone), known.get(f"{beginning}user_id"))
    parent = _person("", known.get(f"{beginning}parent_user_id"))
    found = (number(person.phone) if person.phone else "", person.user_id, parent.user_id)
    return tuple(dict.fromkeys(each for each in found if each))


def _contact(contact: object) -> _Person:
    profile = fields(contact, "profile")
    known = fields(contact)
    name = words(profile.get("name")) or words(profile.get("username"))
    return _person(known.get("wa_id"), known.get("user_id"), name)


def _person(phone: object, user_id: object, name: str = "") -> _Person:
    """A number that is none may be a user id: people without a number are named by it there too."""
    first, second = ident(phone), ident(user_id)
    if USER_ID.fullmatch(first):
        first, second = "", first
    return _Person(
        first if WA_ID.fullmatch(first) else "",
        second if USER_ID.fullmatch(second) else "",
        name,
    )


def _who(message: dict[str, Any], people: Sequence[_Person], echo: bool) -> _Person:
    named = (message.get("to"), message.get("to_user_id")) if echo else (message.get("from"), message.get("from_user_id"))
    person = _person(*named)
    if not person.address:
        return people[0] if len(people) == 1 else person
    for each in people:
        if (each.phone and each.phone == person.phone) or (each.user_id and each.user_id == person.user_id):
            return _Person(person.phone or each.phone, person.user_id or each.user_id, each.name)
    return person


def _updates(message: dict[str, Any], people: Sequence[_Person], account: str, echo: bool) -> Iterator[Update]:
    provider_id, person = ident(message.get("id")), _who(message, people, echo)
    kind = kind_of(message)
    moved = _moved(person, fields(message, "system"), account) if kind == "system" else None
    if moved:
        yield moved
        person = _person(moved.to, "", person.name)
    group = _group_of(message)
    if not provider_id or group is None or is_unreadable(kind, message):
        yield Unreadable("message")
    elif not person.address:
        yield Unreadable("message without a sender")
    else:
        yield _inbound(provider_id, person, said(kind, message), message, account, group, echo)


def _inbound(
    provider_id: str, person: _Person, content: Said, message: dict[str, Any], account: str, group: str, echo: bool
) -> Inbound:
    context = fields(message, "context")
    return Inbound(
        channel=NAME,
        account=account,
        provider_id=provider_id,
        address=group or person.address,
        text=content.text,
        at=within_second(message.get("timestamp")),
        sender_name="" if group else person.name,
        reply_to=ident(context.get("id")),
        also_known_as=person.user_id if person.phone and not group else "",
        speaker=(person.name or person.address) if group else "",
        speaker_id=person.address if group else "",
        edits=content.edits,
        is_echo=echo,
        referral=flat(referral_of(message)),
        media=content.media.name,
        mime_type=content.media.mime_type,
        filename=content.media.filename,
        content=content.content,
        about=content.about,
        option=content.option,
        kind=content.kind,
        forwarded=context.get("forwarded") is True or context.get("frequently_forwarded") is True,
        raw=content.raw,
    )


def _group_of(message: dict[str, Any]) -> str | None:
    """The address of the group that a message is in; empty: it is in none. None: it is in one, and nobody can tell which."""
    given = message.get("group_id")
    group = ident(given)
    if GROUP_ID.fullmatch(group):
        return f"{GROUP}{group}"
    return None if given else ""


def read_calls(calls: Sequence[object], contacts: object, account: str) -> Iterator[Update]:
    """Calls of people that ended, each as a message of its own; who called is named as in messages."""
    people = [_contact(each) for each in items(contacts)]
    for each in map(fields, calls):
        event, by_us = words(each.get("event")), words(each.get("direction")).upper() == "BUSINESS_INITIATED"
        provider_id, person = ident(each.get("id")), _who(each, people, by_us)
        if event == "connect" or by_us:
            yield Aside("passed_over", "calls")
        elif event != "terminate" or not provider_id or not person.address:
            yield Unreadable("call")
        else:
            yield _inbound(f"{provider_id}:ended", person, call(each), each, account, "", False)


def _moved(person: _Person, system: dict[str, Any], account: str) -> Moved | None:
    """A new number, or a new user id, of somebody whose old one is named beside it."""
    if "changed" not in words(system.get("type")):
        return None
    new = _person(system.get("wa_id") or system.get("new_wa_id"), system.get("user_id"))
    to = number(new.phone) if new.phone and person.phone else new.user_id
    was = person.address if person.phone or not new.user_id else person.user_id
    return Moved(NAME, account, was, to) if to and was and to != was else None
