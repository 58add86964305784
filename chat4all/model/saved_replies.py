"""Replies that a team keeps to send again: their words, with variables in them, and their files. Pure rules; no I/O."""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from chat4all.model.contacts import ATTRIBUTE_NAME
from chat4all.model.content import ALBUM_MOST

SHORTCUT = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
TITLE_MOST = 100
FILES_MOST = ALBUM_MOST
# A whole deployment has no more: they are looked through at once.
REPLIES_MOST = 500

# What a variable means, by its name. Those that begin with ATTRIBUTE go on with the name of an attribute of the contact.
VARIABLES: Mapping[str, str] = {
    "name": "the customer's name",
    "first_name": "its first word",
    "agent": "the name of who answers",
    "agent_first_name": "its first word",
}
ATTRIBUTE = "attribute."
_VARIABLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class SavedFile(Struct, frozen=True, omit_defaults=True):
    """A file of a reply, as it was when it was taken into it. `file_id`: the file of a conversation that it was then."""

    file_id: str
    filename: str
    mime_type: str
    size: int
    checksum: str
    object_key: str

    def holder(self, reply_id: str, version: int) -> str:
        """The reference to the object that this version of a reply has."""
        return f"saved:{reply_id}:{version}:{self.file_id}"


class SavedReply(Struct, frozen=True, omit_defaults=True):
    """A reply. No other has its shortcut. `version` grows with each change, from 1. Times are ms UTC."""

    reply_id: str
    title: str
    shortcut: str
    text: str = ""
    files: tuple[SavedFile, ...] = ()
    version: int = 1
    created_at: int = 0
    changed_at: int = 0
    changed_by: str = ""


class Missing(LookupError):
    """Variables without a value here, and without words in their place: `names`."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


def fault_of_text(text: str) -> tuple[str, str]:
    """(code, why) such words cannot be a reply's; empty: they can."""
    if "{{" in _VARIABLE.sub("", text):
        return "invalid", "{{ begins a variable, which }} ends"
    unknown = [name for name, _ in _variables(text) if not is_variable(name)]
    if not unknown:
        return "", ""
    known = ", ".join([*VARIABLES, f"{ATTRIBUTE}<name>"])
    return "unknown_variable", f"there is no variable {{{{{unknown[0]}}}}}; there are {known}"


def is_variable(name: str) -> bool:
    """Whether there is such a variable."""
    rest = name.removeprefix(ATTRIBUTE)
    return name in VARIABLES or (rest != name and bool(ATTRIBUTE_NAME.fullmatch(rest)))


def rendered(text: str, values: Mapping[str, str]) -> str:
    """The words with values in place of variables, as they are; where one has none, with what stands behind its bar.

    Missing: some have neither.
    """
    missing = list(dict.fromkeys(name for name, instead in _variables(text) if not values.get(name) and instead is None))
    if missing:
        raise Missing(missing)

    def put(found: re.Match[str]) -> str:
        name, instead = _parsed(found)
        return values.get(name) or instead or ""

    return _VARIABLE.sub(put, text)


def first_word(name: str) -> str:
    """Of a name the first word."""
    return next(iter(name.split()), "")


def _variables(text: str) -> Iterator[tuple[str, str | None]]:
    return map(_parsed, _VARIABLE.finditer(text))


def _parsed(found: re.Match[str]) -> tuple[str, str | None]:
    """A variable's name, and the words that stand in its place where it has no value."""
    name, bar, instead = found[1].partition("|")
    return name.strip(), instead.strip() if bar else None
