"""SQLite files that shrink while in use: free pages are used again, and beyond a tenth they are given back to the disk."""

import sqlite3
from pathlib import Path

INCREMENTAL = 2
# 4 MiB at the least: less is not worth the moving of pages. A MiB at a time, so that no writer waits for long.
SPARE_PAGES, PAGES_AT_ONCE = 1_000, 256


def be_shrinkable(db: sqlite3.Connection) -> None:
    """Have a file that is still empty give back space when rows go. Before anything else is done to it."""
    if not _number(db, "page_count"):
        db.execute(f"PRAGMA auto_vacuum={INCREMENTAL}")


def can_shrink(db: sqlite3.Connection) -> bool:
    """Whether the file gives space back; one of an older version does after it was rewritten."""
    return _number(db, "auto_vacuum") == INCREMENTAL


def has_spare(db: sqlite3.Connection) -> bool:
    """Whether so much of the file is free that some of it should go."""
    return _number(db, "freelist_count") > max(SPARE_PAGES, _number(db, "page_count") // 10)


def give_back(db: sqlite3.Connection) -> None:
    """Take a MiB of free pages from the end of the file, inside a transaction."""
    # A page at a time: it has no columns, so Python's sqlite3 asks it for one step only, which is one page.
    for _ in range(PAGES_AT_ONCE):
        db.execute("PRAGMA incremental_vacuum(1)")


def size(db: sqlite3.Connection) -> int:
    """Bytes of the file, without what waits beside it."""
    return _number(db, "page_count") * _number(db, "page_size")


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


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])
