"""What the parts of the store share: rows by key, and JSON as text."""

import sqlite3
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

Key = TypeVar("Key", bound=tuple[Any, ...])

_encode = msgspec.json.Encoder().encode


def as_json(value: Any) -> str:
    """JSON as text, so that an operator can read it in the sqlite3 shell."""
    return _encode(value).decode()


def found(db: sqlite3.Connection, sql: str, keys: Iterable[Key]) -> dict[Key, Any]:
    """The row that `sql` gives for each key; keys without one are absent. A look-up by primary key costs some 3 µs."""
    rows = {}
    for key in keys:
        row = db.execute(sql, key).fetchone()
        if row is not None:
            rows[key] = row
    return rows
