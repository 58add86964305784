"""Content of every kind, as hypothesis makes it: by the types of its fields, so that a new kind needs no line here."""

import re
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from chat4all.model import content
from chat4all.model.content import CHOICE_STYLES, MEDIA_KINDS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    Any: JSON,
    bool: st.booleans(),
    int: st.integers(0, 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
}
# What is never said by chance.
NAMED: dict[tuple[type, str], st.SearchStrategy[Any]] = {
    (content.Media, "kind"): st.sampled_from(["", *MEDIA_KINDS]),
    (content.Media, "object_key"): st.just(""),
    (content.Media, "form"): st.just(""),
    (content.Choices, "style"): st.sampled_from(CHOICE_STYLES),
}


def contents(*kinds: type) -> st.SearchStrategy[Any]:
    """Content of any of these kinds."""
    return st.one_of([_struct(kind) for kind in kinds])


def _struct(kind: type) -> st.SearchStrategy[Any]:
    """With any of those fields left out that may be."""
    needed: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        named = NAMED.get((kind, field.name))
        strategy = _of(field.type, at_least=field.required) if named is None else named
        (needed if field.required else optional)[field.name] = strategy
    return st.fixed_dictionaries(needed, optional=optional).map(lambda fields: kind(**fields))


def _bounded(annotation: Any, bounds: Any) -> st.SearchStrategy[Any]:
    """Within the bounds that its field declares (`msgspec.Meta`)."""
    if annotation is int:
        return st.integers(bounds.ge, bounds.le)
    least, most = bounds.min_length or 0, bounds.max_length or 20
    if annotation is str:
        text = st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=most)
        return text.filter(re.compile(bounds.pattern or "").search)
    return st.lists(_of(get_args(annotation)[0]), min_size=least, max_size=most).map(tuple)


def _of(annotation: Any, *, at_least: bool = False) -> st.SearchStrategy[Any]:
    if get_origin(annotation) is Annotated:
        return _bounded(*get_args(annotation))
    if annotation in PLAIN:
        return PLAIN[annotation]
    if isinstance(annotation, UnionType):
        return contents(*get_args(annotation))
    if get_origin(annotation) is tuple:
        return st.lists(_of(get_args(annotation)[0]), min_size=int(at_least), max_size=3).map(tuple)
    if get_origin(annotation) is dict:
        return st.dictionaries(*map(_of, get_args(annotation)), max_size=3)
    return _struct(annotation)
