"""Statements for many rows at once.

At every step of a statement the thread releases the interpreter lock, and beside a busy thread it waits at each step to get it
back: row by row, a batch of 100 took a hundred times longer. So a batch is written in a few statements, and read in one that
gives all rows as one JSON value.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

# Rows in one statement. Any number of rows is cut into these, so that few different statements are prepared.
SIZES = (256, 128, 64, 32, 16, 8, 4, 2, 1)

_encode = msgspec.json.Encoder().encode
_rows = msgspec.json.Decoder(list[list[Any]]).decode


def as_json(value: Any) -> str:
    """JSON as text, so that an operator can read it in the sqlite3 shell."""
    return _encode(value).decode()


class Write:
    """A statement with `{rows}` where a list of value rows goes; each has `width` values, or is an expression of its own."""

    def __init__(self, sql: str, width: int = 0, row: str = "", between: str = ", ") -> None:
        row = row or f"({', '.join('?' * width)})"
        self._sql = {size: sql.replace("{rows}", between.join([row] * size)) for size in SIZES}

    def __call__(self, db: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
        """Run it for all rows, in their order."""
        start = 0
        for size, sql in self._sql.items():
            while len(rows) - start >= size:
                db.execute(sql, [value for row in rows[start : start + size] for value in row])
                start += size


class Lookup:
    """Rows by keys: `columns` of the table `asked`, which has the `keys` under their names, joined as `source` says."""

    def __init__(self, columns: str, source: str, *keys: str) -> None:
        row = f"(?{', ?' * len(keys)})"
        self._nobody = (None,) * (1 + len(keys))
        self._sql = {
            size: f"WITH asked (place, {', '.join(keys)}) AS (VALUES {', '.join([row] * size)}) "  # noqa: S608
            f"SELECT json_group_array(json_array(place, {columns})) FROM asked {source} WHERE place IS NOT NULL"
            for size in SIZES
        }

    def __call__(self, db: sqlite3.Connection, keys: Sequence[Any]) -> list[tuple[Any, list[Any]]]:
        """Pairs of (key, columns) for every row found. Keys are tuples; the same key twice is answered twice."""
        found = []
        for start in range(0, len(keys), SIZES[0]):
            chunk = keys[start : start + SIZES[0]]
            size = min(size for size in SIZES if size >= len(chunk))
            values: list[Any] = []
            for place, key in enumerate(chunk):
                values.append(place)
                values.extend(key)
            values.extend(self._nobody * (size - len(chunk)))
            for place, *columns in _rows(db.execute(self._sql[size], values).fetchone()[0]):
                found.append((chunk[place], columns))
        return found


def fetched(db: sqlite3.Connection, columns: str, query: str, values: Sequence[Any] = ()) -> list[list[Any]]:
    """`columns` of all rows of a query, in its order."""
    sql = f"SELECT json_group_array(json_array({columns})) FROM ({query})"  # noqa: S608
    return _rows(db.execute(sql, values).fetchone()[0])
