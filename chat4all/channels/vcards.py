"""Reads and writes vCards (RFC 2426), as far as they say what a Card holds. Pure; no I/O."""

import re

from chat4all.model.content import Card

# A line that goes on begins with a blank; a backslash makes a sign that separates stand for itself.
_FOLDED = re.compile(r"\r?\n[ \t]")
_ESCAPED = re.compile(r"\\(.)", re.S)
_SEPARATORS = re.compile(r"(?<!\\);")
LINES_MOST = 200


def read(text: str) -> Card:
    """What a vCard says of a person; an empty Card where it says nothing."""
    found: dict[str, list[str]] = {}
    for line in _FOLDED.sub("", text).splitlines()[:LINES_MOST]:
        name, colon, value = line.partition(":")
        key = name.partition(";")[0].rpartition(".")[2].strip().upper()
        if colon and value.strip(" ;"):
            found.setdefault(key, []).append(value.strip())
    first = {key: _plain(values[0]) for key, values in found.items()}
    return Card(
        name=first.get("FN", "") or _structured(found.get("N", [""])[0], (1, 0)),
        phones=tuple(map(_plain, found.get("TEL", []))),
        emails=tuple(map(_plain, found.get("EMAIL", []))),
        organization=_structured(found.get("ORG", [""])[0]),
        addresses=tuple(_structured(each) for each in found.get("ADR", [])),
        urls=tuple(map(_plain, found.get("URL", []))),
        birthday=first.get("BDAY", ""),
    )


def write(card: Card) -> str:
    """The vCard of a person."""
    lines = [
        f"FN:{_escaped(card.name)}",
        f"N:{_escaped(card.name)};;;;",
        *(f"TEL:{_escaped(each)}" for each in card.phones),
        *(f"EMAIL:{_escaped(each)}" for each in card.emails),
        *([f"ORG:{_escaped(card.organization)}"] if card.organization else []),
        *(f"ADR:;;{_escaped(each)};;;;" for each in card.addresses),
        *(f"URL:{_escaped(each)}" for each in card.urls),
        *([f"BDAY:{_escaped(card.birthday)}"] if card.birthday else []),
    ]
    return "\r\n".join(("BEGIN:VCARD", "VERSION:3.0", *lines, "END:VCARD", ""))


def _structured(value: str, order: tuple[int, ...] = ()) -> str:
    """The parts of a value that has several, in their order or in this one."""
    parts = [_plain(each) for each in _SEPARATORS.split(value)]
    chosen = [parts[each] for each in order if each < len(parts)] if order else parts
    return (" " if order else ", ").join(filter(None, chosen))


def _plain(value: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value).strip()


def _escaped(value: str) -> str:
    return re.sub(r"([\\,;])", r"\\\1", value).replace("\r", "").replace("\n", "\\n")
