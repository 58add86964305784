"""What a team keeps about a contact beside name and addresses. Pure rules; no I/O."""

import re
from zoneinfo import available_timezones

from msgspec import Struct

TAGS_MOST = 50
TAG = re.compile(r"[^\s,]{1,50}")
NOTES_MOST = 4_000
ATTRIBUTES_MOST = 50
ATTRIBUTE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,49}")
ATTRIBUTE_MOST = 1_000

# What people write, alone, who want no more of them: the words that providers take for it, in English and Portuguese.
STOP_WORDS = frozenset({"stop", "stop all", "stopall", "unsubscribe", "opt out", "parar", "pare", "sair", "descadastrar"})
START_WORDS = frozenset({"start", "unstop", "subscribe", "voltar", "assinar"})
WORD_MOST = 20

Attribute = str | int | float | bool


class Profile(Struct, frozen=True, omit_defaults=True):
    """Tags in their order, notes, attributes by name, and the time zone (IANA) of a contact. Times are ms UTC.

    `version` grows with each change; 0: nothing was ever kept. `changed_by`: the caller's user id; empty: the contact itself.
    `opted_out`: channels on which they want no broadcasts. `word_at`: by channel, when they last wrote that they do not, or do.
    """

    user_id: str
    version: int = 0
    changed_at: int = 0
    changed_by: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""
    attributes: dict[str, Attribute] = {}
    time_zone: str = ""
    opted_out: tuple[str, ...] = ()
    word_at: dict[str, int] = {}


def fault_of_tags(tags: list[str]) -> str:
    """Why a contact may not have these tags; empty: it may."""
    if len(tags) <= TAGS_MOST and all(TAG.fullmatch(each) for each in tags):
        return ""
    return f"at most {TAGS_MOST} tags of 1 to 50 characters, without blanks and commas"


def fault_of_attributes(attributes: dict[str, Attribute]) -> str:
    """Why a contact may not have these attributes; empty: it may."""
    if len(attributes) > ATTRIBUTES_MOST:
        return f"at most {ATTRIBUTES_MOST} attributes"
    if not all(ATTRIBUTE_NAME.fullmatch(each) for each in attributes):
        return "a name begins with a letter, and has at most 50 letters, digits, and _ . -"
    if any(isinstance(each, str) and len(each) > ATTRIBUTE_MOST for each in attributes.values()):
        return f"a text has at most {ATTRIBUTE_MOST:,} characters"
    return ""


def is_time_zone(name: str) -> bool:
    """Whether there is such a time zone, as the IANA calls it."""
    return name in available_timezones()


def asks_to_stop(text: str) -> bool | None:
    """Whether these words ask for no more broadcasts; False: for broadcasts again; None: neither."""
    word = text.strip(" .!\"'\n\t").casefold() if len(text) <= WORD_MOST else ""
    if word in STOP_WORDS:
        return True
    return False if word in START_WORDS else None
