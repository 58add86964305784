"""What brings an embedded store up to date beside its script: columns, indexes by age, and a file that can shrink."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from chat4all.retention import Retention

# A file of this size is rewritten in a second; a larger one only when somebody says so (`chat4all compact`).
SMALL = 64 << 20
INCREMENTAL = 2

# `at` of rows that are there already: when they were found.
COLUMNS = (
    ("message_ids", "at", "INTEGER NOT NULL DEFAULT {now}"),
    ("handles", "at", "INTEGER NOT NULL DEFAULT {now}"),
)
# What is looked for by age, where a limit is set: an index is kept only for what is forgotten.
BY_AGE: tuple[tuple[str, str, str, Callable[[Retention], int]], ...] = (
    ("messages_by_age", "messages", "json_extract(body, '$.accepted_at')", lambda kept: kept.messages),
    ("message_ids_by_age", "message_ids", "at", lambda kept: kept.ids),
    ("handles_by_age", "handles", "at", lambda kept: kept.handles),
)


def add_columns(db: sqlite3.Connection, now_ms: int) -> None:
    """Columns that tables of an older file lack. Costs nothing for the rows: they are not written again."""
    for table, column, form in COLUMNS:
        there = {name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}
        if there and column not in there:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {form.format(now=now_ms)}")


def set_indexes(db: sqlite3.Connection, kept: Retention) -> None:
    """The indexes by age that these limits need, and no others. The first start with a limit reads the whole table once."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    for name, table, expression, days in BY_AGE:
        if days(kept) and name not in there:
            db.execute(f"CREATE INDEX {name} ON {table} ({expression})")
        elif not days(kept) and name in there:
            db.execute(f"DROP INDEX {name}")


def begin(db: sqlite3.Connection) -> None:
    """Make the file a write-ahead log one, and have one that is still empty give back space when rows go: first of all."""
    if not db.execute("PRAGMA page_count").fetchone()[0]:
        db.execute(f"PRAGMA auto_vacuum={INCREMENTAL}")
    db.execute("PRAGMA journal_mode=WAL")


def can_shrink(db: sqlite3.Connection) -> bool:
    """Whether the file gives space back; one of an older version does after it was rewritten."""
    return bool(db.execute("PRAGMA auto_vacuum").fetchone()[0] == INCREMENTAL)


def size(db: sqlite3.Connection) -> int:
    """Bytes of the file, without what waits beside it."""
    pages, octets = db.execute("PRAGMA page_count").fetchone()[0], db.execute("PRAGMA page_size").fetchone()[0]
    return int(pages * octets)


def rewrite(db: sqlite3.Connection) -> None:
    """Write the file anew, without holes, able to shrink. Needs as much room again; writers wait meanwhile."""
    db.execute(f"PRAGMA auto_vacuum={INCREMENTAL}")
    db.execute("VACUUM")


def compact(path: Path) -> tuple[int, int]:
    """Rewrite the database in this file; its bytes before and after. sqlite3.Error when it is in use or there is no room."""
    db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    try:
        before = path.stat().st_size
        rewrite(db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        db.close()
    return before, path.stat().st_size
