"""What fits into a template's places, and what a person reads once they are filled. Pure rules over a provider's components."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chat4all.model.content import TemplateParameters

PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
# What Meta refuses in a place: line breaks, tabs, more than four blanks in a row.
UNEVEN = re.compile(r"[\n\r\t]| {5,}")
EVEN = "words in one line, without tabs and without more than four blanks in a row"
FILES = ("IMAGE", "VIDEO", "DOCUMENT")
# A template of one of these is not sent. Others, such as FLAGGED, say that it soon may not be.
UNSENDABLE = frozenset(
    {"PENDING", "REJECTED", "PAUSED", "DISABLED", "IN_APPEAL", "PENDING_DELETION", "DELETED", "ARCHIVED", "LIMIT_EXCEEDED"}
)
Component = Mapping[str, Any]
# What is wrong, and where: the field of `parameters`.
Wrong = tuple[str, str]


def faults(components: Sequence[Component], given: TemplateParameters) -> Iterator[Wrong]:
    """What of these parameters does not fit the template: how many there are, and of which kind."""
    yield from _header_faults(_of(components, "HEADER"), given.header)
    yield from _count_faults("body", len(places(_text(_of(components, "BODY")))), given.body)
    yield from _button_faults(_buttons(components), given.buttons)


def rendered(components: Sequence[Component], given: TemplateParameters) -> dict[str, Any]:
    """What a person reads: header, body, footer, and buttons, each as words; without those that it does not have."""
    header = _of(components, "HEADER")
    shown = {
        "header": _filled(_text(header), given.header) or next(iter(given.header), _format(header) if header else ""),
        "body": _filled(_text(_of(components, "BODY")), given.body),
        "footer": _text(_of(components, "FOOTER")),
        "buttons": [_button(each, number, given.buttons) for number, each in enumerate(_buttons(components))],
    }
    return {name: value for name, value in shown.items() if value}


def places(text: str) -> list[str]:
    """The names of the places in a component's words, each once, in their order."""
    return list(dict.fromkeys(PLACE.findall(text)))


def _header_faults(header: Component | None, given: Sequence[str]) -> Iterator[Wrong]:
    if header is None or _format(header) == "TEXT":
        yield from _count_faults("header", len(places(_text(header))), given)
    elif _format(header) not in FILES:
        yield f"its header is a {_format(header).lower()}, which cannot be filled in here", "header"
    elif len(given) != 1 or not given[0].startswith("https://"):
        yield f"a link that begins with https://: its header is a {_format(header).lower()}", "header"


def _count_faults(place: str, wanted: int, given: Sequence[str]) -> Iterator[Wrong]:
    if len(given) != wanted:
        yield f"the template has {wanted} {'place' if wanted == 1 else 'places'} here, and {len(given)} were given", place


def _button_faults(buttons: Sequence[Component], given: Sequence[str]) -> Iterator[Wrong]:
    if len(given) > len(buttons):
        yield f"the template has {len(buttons)} buttons, and {len(given)} were given", "buttons"
        return
    for number, each in enumerate(buttons):
        words = given[number] if number < len(given) else ""
        has_place = bool(places(str(each.get("url", ""))))
        if has_place and not words:
            yield "words for the place in this button's address", f"buttons.{number}"
        elif words and not has_place:
            yield 'this button has no place: give "" for it', f"buttons.{number}"


def _of(components: Sequence[Component], kind: str) -> Component | None:
    return next((each for each in components if str(each.get("type", "")).upper() == kind), None)


def _text(component: Component | None) -> str:
    return str(component.get("text", "")) if component else ""


def _format(header: Component) -> str:
    return str(header.get("format", "TEXT")).upper()


def _buttons(components: Sequence[Component]) -> list[Component]:
    found = _of(components, "BUTTONS")
    given = found.get("buttons") if found else None
    return [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []


def _button(button: Component, number: int, given: Sequence[str]) -> str:
    url = _filled(str(button.get("url", "")), given[number : number + 1])
    return " ".join(filter(None, (str(button.get("text", "")), url)))


def _filled(text: str, given: Sequence[str]) -> str:
    """A place for which nothing was given stays as it is."""
    values = dict(zip(places(text), given, strict=False))
    return PLACE.sub(lambda found: values.get(found[1], found[0]), text)
