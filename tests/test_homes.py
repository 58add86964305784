"""Each thing has one home: what is written once is not written again beside it, and no class holds too much."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("chat4all", "webapp", "bridges", "tasks", "storage")
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for room in ROOMS
    for path in (ROOT / room).rglob("*.py")
    if "_pb2" not in path.name
}
MOST_ATTRIBUTES = 12
HOMES = [
    ("the time of day in ms", r"time\.time\(\) \* 1000|def _?now_ms\(", "chat4all/model/clock.py"),
    ("RFC 3339, written", r"isoformat\(timespec", "chat4all/model/clock.py"),
    ("ids made of names", r"\buuid5\(|blake2b\(.*person=", "chat4all/model/ids.py"),
    ("the kind of an event in a record", r"""headers(\.get\(|\[)"kind"|\{"kind": """, "chat4all/model/events.py"),
    ("a message of something new", r"accepted_at=now\b", "chat4all/services/acceptance/frozen_messages.py"),
    ("Meta's challenge and signature", r"hub\.challenge\"|x-hub-signature", "chat4all/channels/meta.py"),
    ("waits that double", r"= min\([^)]*\* 2\b|2(\.0)? ?\*\* ?min\(", "chat4all/model/backoff.py"),
    ("where a recipient's delivery is", r"DeliveryKey\(Lane\(.*\.index\)", "chat4all/model/slots.py"),
    ("where a partition is gone on with", r"\.done \+ 1\b", "chat4all/ports/progress.py"),
    ("the claims of a token", r"jwt\.decode\(", "chat4all/services/access/tokens.py"),
]


@pytest.mark.parametrize(("what", "pattern", "home"), HOMES, ids=[what for what, _, _ in HOMES])
def test_it_is_written_at_home_and_nowhere_else(what: str, pattern: str, home: str) -> None:
    """Who needs it imports it."""
    found = {name for name, text in SOURCES.items() if re.search(pattern, text)}
    assert found == {home}, what


def test_no_class_holds_more_than_a_dozen_things() -> None:
    """One that does is two: take out what changes together."""
    found = {
        f"{name}: {each.name}": len(held)
        for name, text in SOURCES.items()
        for each in ast.walk(ast.parse(text))
        if isinstance(each, ast.ClassDef) and len(held := _attributes(each)) > MOST_ATTRIBUTES
    }
    assert found == {}


def _attributes(of: ast.ClassDef) -> set[str]:
    """What its methods set on the object."""
    return {
        each.attr
        for each in ast.walk(of)
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and _is_self(each.value)
    }


def _is_self(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id == "self"
