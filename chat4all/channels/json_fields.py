"""Reads providers' JSON field by field. A field of a wrong type counts as absent, and the other fields are still read."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from math import isfinite
from typing import Any

import msgspec

# No provider nests half as deep. What lies deeper is left out before anything is decoded.
DEEPEST = 64
ID_MOST = 1024
# Python turns no more digits than some thousand into a number.
DIGITS_MOST = 400
FLAT_MOST, WORDS_MOST, GIST_MOST = 20, 500, 1000
RAW_MOST = 64 * 1024
LONE = "\\ufffd"

# Strings are passed over whole, also one that never ends.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.S)
# A pair, half a pair, or any other escape: a backslash that is escaped begins nothing.
_ESCAPES = re.compile(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.S
)


def decoded(body: bytes) -> Any:
    """What this JSON says. Halves of characters are U+FFFD; what is nested too deep, or no number that we can hold, is null.

    ValueError: it is no JSON.
    """
    body = body.removeprefix(BOM_UTF8)
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        body = _shallow(body)
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _leniently(_whole_characters(body))


def _leniently(text: str) -> Any:
    """The same of what the strict reader refuses, by one that lets us say what becomes of numbers. ValueError: no JSON."""
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return json.loads(text, parse_int=_whole_number, parse_float=_number, parse_constant=lambda _: None)


def _whole_number(digits: str) -> int | None:
    return int(digits) if len(digits) <= DIGITS_MOST else None


def _number(digits: str) -> float | None:
    found = float(digits)
    return found if isfinite(found) else None


def _shallow(body: bytes) -> bytes:
    """The same with null in the place of each value that is nested too deep."""
    kept, depth, cut_from = [], 0, 0
    begin = 0
    for token in _TOKENS.finditer(body):
        kind = token[0][:1]
        if kind in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept.append(body[begin : token.start()])
                cut_from = token.start()
        elif kind in b"]}":
            if depth == DEEPEST + 1:
                kept.append(b"null")
                begin = token.end()
            depth -= 1
    return b"".join((*kept, body[begin:])) if depth <= DEEPEST else body[:cut_from]


def _whole_characters(body: bytes) -> str:
    return _ESCAPES.sub(lambda found: LONE if found[2] else found[0], body.decode("utf-8", "replace"))


def fields(value: object, *path: str) -> dict[str, Any]:
    """The object at this path, empty where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """The list, empty where there is none."""
    return value if isinstance(value, list) else []


def words(value: object) -> str:
    """Text, or a number in digits; empty for all else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def ident(value: object) -> str:
    """An id: text without blanks around it, or a whole number; empty for all else, and for what is too long to be one."""
    found = words(value).strip() if not isinstance(value, float) else ""
    return found if len(found) <= ID_MOST else ""


def is_odd(value: object) -> bool:
    """Whether there is something in the place of a text that is none: then nobody knows what was said."""
    return isinstance(value, bool) or not isinstance(value, str | int | float | None)


def joined(*parts: object, by: str = " ") -> str:
    """The texts among these that say something."""
    return by.join(filter(None, (words(each).strip() for each in parts)))


def degrees(value: object, most: int) -> float | None:
    """A coordinate from -most to most; None: it is none."""
    try:
        found = float(words(value))
    except ValueError:
        return None
    return found if abs(found) <= most else None


def flat(value: object) -> dict[str, str]:
    """The short texts and numbers of an object and of the objects in it, by their names."""
    found: dict[str, str] = {}
    for name, each in fields(value).items():
        inner = flat(each) if isinstance(each, dict) and len(found) < FLAT_MOST else {name: words(each)[:WORDS_MOST]}
        found.update({key[:WORDS_MOST]: said for key, said in inner.items() if said})
    return dict(list(found.items())[:FLAT_MOST])


def gist(value: object, *but: str) -> str:
    """What an object says that has no words of its own here: its texts and numbers with their names, less those `but`."""
    return ", ".join(_said(value, but))[:GIST_MOST]


def raw(value: object) -> bytes:
    """The value as JSON again, to be kept. Of more than RAW_MOST bytes the beginning, as a text in `beginning`."""
    whole = msgspec.json.encode(kept(value))
    if len(whole) <= RAW_MOST:
        return whole
    # In a text each byte may take six.
    return msgspec.json.encode({"beginning": whole[: RAW_MOST // 6 - 20].decode("utf-8", "ignore")})


def kept(value: Any) -> Any:
    """The value as every store can keep it: whole numbers that no machine holds are texts."""
    if isinstance(value, dict):
        return {name: kept(each) for name, each in value.items()}
    if isinstance(value, list):
        return [kept(each) for each in value]
    return str(value) if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63 else value


def _said(value: object, but: tuple[str, ...], name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in list(value.items())[:FLAT_MOST]:
            if key not in but:
                yield from _said(each, but, key)
    elif isinstance(value, list):
        for each in value[:FLAT_MOST]:
            yield from _said(each, but, name)
    elif found := words(value).strip():
        yield f"{name[:WORDS_MOST]}: {found}" if name else found
