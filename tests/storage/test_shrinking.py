"""Embedded files give space back while they are in use, a little at a time; those of older versions learn it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from chat4all.model.clock import DAY_MS
from chat4all.model.deliveries import DeliveryKey, Facts, Lane
from chat4all.model.records import NewRecord
from chat4all.ports import Handle
from chat4all.settings import Settings
from storage.event_log.sqlite import SQLiteLog
from storage.message_store.sqlite import SQLiteStore
from storage.message_store.sqlite_connection import SMALL, Connections
from storage.shrinking import can_shrink, compact
from tests.contracts.stores import delivery, message

NOW = int(time.time() * 1000)
MIB = 1 << 20
LANE = Lane("w", 0)


def settings(folder: Path) -> Settings:
    """Everything has its days."""
    return Settings(data=folder, keep_messages_days=60)


@contextmanager
def opened(folder: Path) -> Iterator[SQLiteStore]:
    """A store of these settings."""
    store = SQLiteStore(settings(folder))
    store.migrate()
    try:
        yield store
    finally:
        store.close()


def fill(store: SQLiteStore, count: int) -> None:
    """Old messages with ended deliveries, and what belongs to them."""
    for start in range(1, count + 1, 500):
        seqs = range(start, start + 500)
        rows = [delivery(DeliveryKey(LANE, seq, 0), Facts(attempts=1, sent_at=5, provider_id=f"wamid.{seq}")) for seq in seqs]
        store.put_messages([message("c", seq, "x" * 2000) for seq in seqs])
        store.put_deliveries(rows)
        store.record({}, [Handle("w", "a", row.facts.provider_id, row.key) for row in rows])
    store.raise_fanned({LANE: count})
    store.raise_cursor(LANE, count, 0)


def size_of(path: Path) -> int:
    """Bytes of the file, once what waits beside it is in it."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return path.stat().st_size


def without_vacuum(path: Path) -> None:
    """As an older version made it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA auto_vacuum=NONE")
        db.execute("VACUUM")


def shrinks(path: Path) -> bool:
    """Whether the file gives space back."""
    with closing(sqlite3.connect(path)) as db:
        return can_shrink(db)


def test_the_store_gives_space_back_while_it_runs(tmp_path: Path) -> None:
    """After their days messages, rows and handles go, and the file with them; what is young stays, and readers read on."""
    path = tmp_path / "store.db"
    with opened(tmp_path) as store:
        fill(store, 6_000)
        full = size_of(path)
        young = structs.replace(message("young", 1), accepted_at=NOW + 60 * DAY_MS)
        store.put_messages([young])
        with Connections.read(store._db) as reading:
            reading.execute("SELECT count(*) FROM users").fetchone()
            expired = store.expire(NOW + 70 * DAY_MS)
        assert expired.rows == {"deliveries": 6_000, "outcomes": 6_000, "messages": 6_000, "handles": 6_000}
        assert full > 14 * MIB
        assert size_of(path) < 5 * MIB
        assert store.lane_rows(LANE, (0, 0), 6_000, 1) == []
        assert store.page("young", None, None, 9) == [young]


def test_forgetting_takes_many_short_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction deletes more than 500 rows: a message that is being accepted waits for one of these at the most."""
    most = 0
    write = Connections.write

    @contextmanager
    def watched(self: Connections) -> Iterator[sqlite3.Connection]:
        nonlocal most
        with write(self) as db:
            before = db.total_changes
            yield db
            most = max(most, db.total_changes - before)

    with opened(tmp_path) as store:
        fill(store, 2_000)
        monkeypatch.setattr(Connections, "write", watched)
        store.expire(NOW + 70 * DAY_MS)
    # A row that is retired is two changes: its outcome is kept.
    assert 500 <= most <= 1_000


def test_a_small_file_of_an_older_version_learns_it_at_the_start(tmp_path: Path) -> None:
    """It is rewritten, in a second, with all that it holds."""
    with opened(tmp_path) as store:
        store.put_messages([message("c", 1)])
    without_vacuum(tmp_path / "store.db")
    assert not shrinks(tmp_path / "store.db")
    with opened(tmp_path) as store:
        assert "compact" not in store.check()
        assert len(store.page("c", None, None, 9)) == 1
    assert shrinks(tmp_path / "store.db")


def test_a_large_file_is_left_until_somebody_says_so(tmp_path: Path) -> None:
    """It works as before, says what to do, and shrinks after that was done."""
    path = tmp_path / "store.db"
    with opened(tmp_path) as store:
        fill(store, 500)
    without_vacuum(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE filling AS SELECT zeroblob(?) AS bytes", (SMALL,))
        db.execute("DROP TABLE filling")
    with opened(tmp_path) as store:
        assert "chat4all compact" in store.check()
        assert store.expire(NOW + 70 * DAY_MS).rows["messages"] == 500
    before, after = compact(path)
    assert after < before / 2
    assert shrinks(path)


def test_an_older_file_gains_columns_and_forgets_from_now_on(tmp_path: Path) -> None:
    """Rows that were there count from the update, so that nothing goes at once that was kept for ever before."""
    key = DeliveryKey(LANE, 5, 0)
    with opened(tmp_path) as store:
        store.record({}, [Handle("w", "a", "old", key)])
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as db:
        db.execute("DROP INDEX handles_by_age")
        db.execute("ALTER TABLE handles DROP COLUMN at")
        db.execute("PRAGMA user_version=5")
    with opened(tmp_path) as store:
        store.expire(NOW + 25 * DAY_MS)
        assert store.handles([("w", "a", "old")]) == {("w", "a", "old"): key}
        store.expire(NOW + 27 * DAY_MS)
        assert store.handles([("w", "a", "old")]) == {}


def test_an_index_by_age_is_kept_only_for_what_is_forgotten(tmp_path: Path) -> None:
    """A limit that is set makes it at the next start, one that is taken away drops it."""

    def indexes() -> set[str]:
        with closing(sqlite3.connect(tmp_path / "store.db")) as db:
            return {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE name LIKE '%s_by_age'")}

    for days, there in ((0, False), (60, True), (0, False)):
        store = SQLiteStore(Settings(data=tmp_path, keep_messages_days=days))
        store.migrate()
        store.close()
        assert ({"messages_by_age", "message_ids_by_age"} <= indexes()) == there
        assert "handles_by_age" in indexes()


def test_the_log_gives_space_back_while_it_runs(tmp_path: Path) -> None:
    """Trimmed records leave the file; offsets and what is young stay."""
    log = SQLiteLog(Settings(data=tmp_path))
    log.create({"t": 1})
    path = tmp_path / "log" / "t.topic"
    for _ in range(12):
        log.append([NewRecord("t", 0, "k", b"x" * 2_000, {})] * 500, 10.0)
    full = size_of(path)
    time.sleep(0.01)
    log.trim("t", int(time.time() * 1000))
    log.append([NewRecord("t", 0, "k", b"young", {})], 10.0)
    assert full > 11 * MIB
    assert size_of(path) < 5 * MIB
    assert log.ends("t") == {0: (6_000, 6_001)}
    log.close()
