"""Upgrades an older embedded store beyond what the schema script does: columns, and indexes by age."""

import sqlite3
from collections.abc import Callable

from chat4all.model.retention import Retention

# `at` of rows that are there already: when they were found. Their `stamp` comes before all others.
COLUMNS = (
    ("waiting", "stamp", "INTEGER NOT NULL DEFAULT 0"),
    ("message_ids", "at", "INTEGER NOT NULL DEFAULT {now}"),
    ("deliveries", "priced_at", "INTEGER NOT NULL DEFAULT 0"),
    ("deliveries", "price", "TEXT NOT NULL DEFAULT ''"),
    ("outcomes", "priced_at", "INTEGER NOT NULL DEFAULT 0"),
    ("outcomes", "price", "TEXT NOT NULL DEFAULT ''"),
    ("deliveries", "bounced_at", "INTEGER NOT NULL DEFAULT 0"),
    ("deliveries", "bounced_reason", "TEXT NOT NULL DEFAULT ''"),
    ("outcomes", "bounced_at", "INTEGER NOT NULL DEFAULT 0"),
    ("outcomes", "bounced_reason", "TEXT NOT NULL DEFAULT ''"),
    ("handles", "at", "INTEGER NOT NULL DEFAULT {now}"),
)
# What is looked for by age, where a limit is set: an index is kept only for what is forgotten.
BY_AGE: tuple[tuple[str, str, str, Callable[[Retention], int]], ...] = (
    ("messages_by_age", "messages", "json_extract(body, '$.accepted_at')", lambda kept: kept.messages),
    ("modifications_by_age", "modifications", "at", lambda kept: kept.messages),
    ("raw_parts_by_age", "raw_parts", "at", lambda kept: kept.messages),
    ("withdrawals_by_age", "withdrawals", "at", lambda kept: kept.deliveries),
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
