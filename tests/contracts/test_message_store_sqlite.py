"""What only the embedded message store has: one file, shared by processes that fork, die, lock and grow old."""

import multiprocessing
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from chat4all.model.conversations import Verification
from chat4all.model.deliveries import DeliveryKey, Facts, Lane
from chat4all.model.failures import Mismatch, Temporary
from chat4all.model.records import ProviderReceipt, Range
from chat4all.ports import Arrived, Expired, Handle, Lease, Waiting, Webhook, WebhookCall
from chat4all.settings import Settings
from storage.message_store import (
    sqlite_accounts,
    sqlite_broadcasts,
    sqlite_contacts,
    sqlite_deferred,
    sqlite_deliveries,
    sqlite_directory,
    sqlite_facts,
    sqlite_history,
    sqlite_modifications,
    sqlite_progress,
    sqlite_raw_parts,
    sqlite_saved_replies,
    sqlite_webhooks,
)
from storage.message_store.sqlite import SCHEMA_VERSION, SQLiteStore
from storage.message_store.sqlite_rows import Lookup, Write
from tests.contracts.stores import delivery, message, person

ROOT = Path(__file__).parents[2]
DAY_MS = 86_400_000


@pytest.fixture
def sqlite_settings(tmp_path: Path) -> Settings:
    """A store of this test's own."""
    return Settings(data=tmp_path / "data", store="sqlite:store.db")


@pytest.fixture
def sqlite_store(sqlite_settings: Settings) -> Iterator[SQLiteStore]:
    """The embedded store, ready to use."""
    with closing(SQLiteStore(sqlite_settings)) as opened:
        opened.migrate()
        yield opened


def shell(settings: Settings) -> "closing[sqlite3.Connection]":
    """A connection as any other program would have one."""
    return closing(sqlite3.connect(settings.data / "store.db", isolation_level=None))


def test_the_file_is_where_the_settings_say(tmp_path: Path) -> None:
    """Missing folders are made; the file is a write-ahead log one."""
    settings = Settings(data=tmp_path / "a" / "b", store="sqlite:c.db")
    with closing(SQLiteStore(settings)) as store:
        store.migrate()
        assert (tmp_path / "a" / "b" / "c.db").exists()
        assert str(tmp_path / "a" / "b" / "c.db") in store.check()
    with closing(sqlite3.connect(tmp_path / "a" / "b" / "c.db")) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_every_connection_waits_for_the_disk(sqlite_store: SQLiteStore) -> None:
    """A transaction that returned survives a power cut: synchronous is FULL (2)."""
    with sqlite_store._db.write() as db:
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)


def test_migrating_again_changes_nothing(sqlite_store: SQLiteStore) -> None:
    """Every process does it at its start."""
    sqlite_store.add_users([person("anna")])
    sqlite_store.migrate()
    assert list(sqlite_store.users(["anna"])) == ["anna"]


def test_a_newer_schema_is_refused(sqlite_settings: Settings, sqlite_store: SQLiteStore) -> None:
    """An old version must not write what it does not understand."""
    with shell(sqlite_settings) as db:
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    with pytest.raises(Mismatch):
        sqlite_store.migrate()


def test_processes_may_migrate_at_the_same_time(sqlite_settings: Settings) -> None:
    """A first start brings up every process at once."""
    environment = {**os.environ, "CHAT4ALL_DATA": str(sqlite_settings.data), "CHAT4ALL_STORE": sqlite_settings.store}
    program = "from chat4all.settings import load; from storage.open import open_store; s = open_store(load()); s.migrate()"
    started = [subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4


def test_threads_may_migrate_at_the_same_time(sqlite_settings: Settings) -> None:
    """Each with a store of its own, on a file that is not there yet."""
    stores = [SQLiteStore(sqlite_settings) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(SQLiteStore.migrate, stores))
    for store in stores:
        store.close()


def test_a_store_that_was_never_migrated_is_not_there_yet(sqlite_settings: Settings) -> None:
    """Somebody may be about to: Temporary."""
    with closing(SQLiteStore(sqlite_settings)) as store, pytest.raises(Temporary):
        store.users(["anna"])


@pytest.fixture
def hasty(sqlite_settings: Settings, sqlite_store: SQLiteStore) -> Iterator[SQLiteStore]:
    """The same store, for whoever waits no longer than a moment to write."""
    with closing(SQLiteStore(sqlite_settings, write_limit_s=0.05)) as made:
        yield made


def test_a_writer_that_holds_on_too_long_is_an_outage(sqlite_settings: Settings, hasty: SQLiteStore) -> None:
    """Writes wait up to their limit and then say Temporary; reads go on; afterwards all is well."""
    hasty.add_users([person("anna")])
    with shell(sqlite_settings) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(Temporary):
            hasty.add_users([person("bob")])
        assert list(hasty.users(["anna"])) == ["anna"]
        db.execute("ROLLBACK")
    hasty.add_users([person("bob")])


def test_a_thread_that_writes_too_long_is_an_outage_for_the_others(hasty: SQLiteStore) -> None:
    """The limit holds inside one process too."""
    with ThreadPoolExecutor(1) as thread, hasty._db.write(), pytest.raises(Temporary):
        thread.submit(hasty.add_users, [person("bob")]).result()


def test_writers_of_short_transactions_take_turns(sqlite_settings: Settings, sqlite_store: SQLiteStore) -> None:
    """A lone small write gets through beside another connection that writes without pause."""
    done = False
    with closing(SQLiteStore(sqlite_settings)) as busy, ThreadPoolExecutor(1) as thread:

        def hammer() -> int:
            writes = 0
            while not done:
                writes += 1
                busy.put_messages([message("c", writes * 100 + at) for at in range(50)])
            return writes

        hammering = thread.submit(hammer)
        for at in range(20):
            sqlite_store.raise_progress("t", {0: at})
        done = True
        assert hammering.result() > 0
    assert sqlite_store.progress("t")[0].done == 19


def test_a_failed_transaction_leaves_nothing_behind(sqlite_store: SQLiteStore) -> None:
    """What raised is undone, and the next write begins afresh."""
    with pytest.raises(ZeroDivisionError), sqlite_store._db.write() as db:
        db.execute("INSERT INTO users VALUES ('eve', '{}')")
        _ = 1 / 0
    assert sqlite_store.users(["eve"]) == {}
    sqlite_store.add_users([person("anna")])


def test_a_full_disk_is_an_outage(sqlite_store: SQLiteStore) -> None:
    """Nothing of the batch is kept, readers go on, and writing works again when there is room."""
    with sqlite_store._db.write() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
    assert sqlite_store._db._writer is not None
    sqlite_store._db._writer.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(Temporary, match="full"):
        sqlite_store.put_messages([message("c", seq, "x" * 1000) for seq in range(1, 200)])
    assert sqlite_store.page("c", None, None, 10) == []
    sqlite_store._db._writer.execute("PRAGMA max_page_count=1073741823")
    sqlite_store.put_messages([message("c", 1)])


def test_a_file_that_is_no_database_is_an_outage(sqlite_settings: Settings) -> None:
    """It is for people to find out; the words are the database's, not the file's."""
    sqlite_settings.data.mkdir()
    (sqlite_settings.data / "store.db").write_bytes(b"secret words" * 1000)
    with closing(SQLiteStore(sqlite_settings)) as store, pytest.raises(Temporary) as raised:
        store.migrate()
    assert "secret" not in str(raised.value)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_store_goes_on_on_both_sides_of_a_fork(sqlite_store: SQLiteStore) -> None:
    """Parent and child each open connections of their own, and take turns like any two processes."""
    sqlite_store.add_users([person("anna")])
    sqlite_store.users(["anna"])
    context = multiprocessing.get_context("fork")

    def work(name: str) -> None:
        for at in range(20):
            sqlite_store.add_users([person(f"{name}{at}")])
            assert len(sqlite_store.users(["anna", f"{name}{at}"])) == 2

    child = context.Process(target=work, args=("child",))
    child.start()
    work("parent")
    child.join(30)
    assert child.exitcode == 0
    assert len(sqlite_store.users([f"{name}{at}" for name in ("parent", "child") for at in range(20)])) == 40


def test_connections_are_shared_not_multiplied(sqlite_store: SQLiteStore) -> None:
    """Threads that come and go leave no more connections than were ever in use at once."""
    for _ in range(5):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: sqlite_store.users(["anna"]), range(20)))
    assert len(sqlite_store._db._idle) <= 4


def test_batches_of_every_size_are_written_and_read_whole(sqlite_store: SQLiteStore) -> None:
    """Statements come in sizes; no size in between loses or repeats a row."""
    for size in (1, 2, 3, 7, 255, 256, 257, 700):
        lane = Lane(f"w{size}", 0)
        keys = [DeliveryKey(lane, seq, 0) for seq in range(1, size + 1)]
        sqlite_store.put_deliveries([delivery(key, Facts(sent_at=key.seq, provider_id="p")) for key in keys])
        sqlite_store.record({key: Facts(read_at=key.seq) for key in keys})
        kept = sqlite_store.deliveries([*keys, DeliveryKey(lane, size + 1, 0)])
        assert list(kept) == keys
        assert all(row.facts == Facts(sent_at=key.seq, provider_id="p", read_at=key.seq) for key, row in kept.items())
        assert list(kept.values()) == sqlite_store.lane_rows(lane, (0, 0), size, size)
        waits = [Waiting(lane, f"c{key.seq}", "1", key.seq, 0, 5, 0) for key in keys]
        sqlite_store.record({}, waiting=waits)
        assert sqlite_store.waiting(lane) == waits
        sqlite_store.record({}, resumed=[replace(each, stamp=1) for each in waits[1:]])
        assert sqlite_store.waiting(lane) == waits[:1]


def test_every_fact_has_its_column_and_its_rule(sqlite_store: SQLiteStore) -> None:
    """A fact that is added to the type and forgotten here would be lost in silence."""
    merged = {*sqlite_facts.HIGHEST, *sqlite_facts.EARLIEST, *(name for pair in sqlite_facts.FIRST for name in pair)}
    assert merged == set(Facts.__struct_fields__)
    with sqlite_store._db.read() as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(deliveries)")]
    assert set(columns) == {"channel", "partition", "seq", "idx", "body", *Facts.__struct_fields__}


def statements() -> list[str]:
    """Every statement that the store runs over keys."""
    parts = (
        sqlite_directory,
        sqlite_history,
        sqlite_deliveries,
        sqlite_progress,
        sqlite_facts,
        sqlite_modifications,
        sqlite_raw_parts,
        sqlite_webhooks,
        sqlite_accounts,
        sqlite_deferred,
        sqlite_contacts,
        sqlite_saved_replies,
        sqlite_broadcasts,
    )
    values = {id(value): value for part in parts for value in vars(part).values()}.values()
    batched = [each._sql[2] for each in values if isinstance(each, Lookup | Write)]
    return batched + [each for each in values if isinstance(each, str) and re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)", each)]


@pytest.mark.parametrize("sql", statements(), ids=range(len(statements())))
def test_no_question_scans_a_table(sqlite_store: SQLiteStore, sql: str) -> None:
    """Every question is answered by a key, however many rows there are."""
    with sqlite_store._db.read() as db:
        tables = {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", [0] * sql.count("?"))]
    scanned = {step.split()[1] for step in plan if step.startswith("SCAN")}
    assert not scanned & {*tables, "d", "i", "m", "w"}
    assert not [step for step in plan if "AUTOMATIC" in step]


def test_questions_that_could_search_too_widely_do_not(sqlite_store: SQLiteStore) -> None:
    """Keys that go on are found by their whole key, troubles among the tries that count, however many there are of either."""
    with sqlite_store._db.read() as db:
        for sql, wanted in (
            (sqlite_deliveries.GO_ON._sql[256], "PRIMARY KEY (channel=? AND partition=? AND conversation_id=? AND address=?)"),
            (sqlite_progress.TROUBLES, "tries_that_count (topic=? AND partition=? AND last>?)"),
        ):
            steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", [0] * sql.count("?"))]
            assert all(wanted in step for step in steps if step.startswith("SEARCH"))
            assert any(wanted in step for step in steps)


def test_the_lease_is_swapped_without_a_read_in_between(sqlite_store: SQLiteStore) -> None:
    """One conditional statement decides."""
    lane = Lane("w", 0)
    assert sqlite_store.swap_lease(lane, Lease(), Lease("me", 1, 1))
    with sqlite_store._db.write() as db:
        values = ("you", 2, 1, "w", 0, "", 0, 0)
        assert db.execute(sqlite_deliveries.SWAP, values).rowcount == 0


def test_what_is_young_is_kept(sqlite_store: SQLiteStore) -> None:
    """Nothing that was written just now goes, and neither does anything that is kept for good."""
    now = int(time.time() * 1000)
    key = DeliveryKey(Lane("w", 0), 5, 0)
    fill(sqlite_store, now)
    sqlite_store.put_messages([message("c", 5)])
    sqlite_store.put_deliveries([delivery(key)])
    assert sqlite_store.expire(now + DAY_MS // 48) == Expired([], {})
    assert sqlite_store.register_inbound([("w", "a", "1", Arrived("c2"))]) == [Arrived("c1")]
    assert sqlite_store.verification("anna", "w", "1") is not None
    assert sqlite_store.troubles("t", [Range(0, 0, 9)]) != []
    assert sqlite_store.parked([("w", "a", "1")]) != []
    assert sqlite_store.expire(now + 3650 * DAY_MS).receipts != []
    assert sqlite_store.page("c", None, None, 10) != []
    assert list(sqlite_store.deliveries([key])) == [key]


@pytest.mark.parametrize(
    ("days", "gone"),
    [(2, {"verification"}), (4, {"verification", "parked"}), (9, {"verification", "parked", "inbound", "tries"})],
)
def test_everything_has_its_time(sqlite_store: SQLiteStore, days: int, gone: set[str]) -> None:
    """Codes a day after they expired, receipts after 3 days, tries after 7, inbound ids after 8."""
    now = int(time.time() * 1000)
    fill(sqlite_store, now)
    sqlite_store.expire(now + days * DAY_MS)
    left = {
        "verification": sqlite_store.verification("anna", "w", "1"),
        "parked": sqlite_store.parked([("w", "a", "1")]),
        "tries": sqlite_store.troubles("t", [Range(0, 0, 9)]),
        "inbound": sqlite_store.register_inbound([("w", "a", "1", Arrived("c2"))]) == [Arrived("c1")],
    }
    assert {name for name, there in left.items() if not there} == gone


def fill(store: SQLiteStore, now: int) -> None:
    """One of everything that grows old."""
    store.register_inbound([("w", "a", "1", Arrived("c1"))])
    store.put_verification(Verification("anna", "w", "1", "hash", now, 5))
    store.park([ProviderReceipt("w", "a", "1", "sent", now)])
    store.begin_tries("persist", "t", [Range(0, 0, 9)], "r")


def test_receipts_that_nobody_claimed_are_told_when_they_go(sqlite_store: SQLiteStore) -> None:
    """All of them, once, however many chunks it takes; those whose delivery is known are not among them."""
    receipts = [ProviderReceipt("w", "a", str(number), "sent", 5) for number in range(1203)]
    key = DeliveryKey(Lane("w", 0), 5, 0)
    sqlite_store.park(receipts)
    sqlite_store.record({}, [Handle("w", "a", each.provider_id, key) for each in receipts[::2]])
    later = int(time.time() * 1000) + 4 * DAY_MS
    told = sqlite_store.expire(later).receipts
    assert sorted(each.provider_id for each in told) == sorted(each.provider_id for each in receipts[1::2])
    assert sqlite_store.expire(later).receipts == []
    assert sqlite_store.parked([("w", "a", each.provider_id) for each in receipts]) == []


def test_excused_tries_go_after_an_hour(sqlite_store: SQLiteStore, sqlite_settings: Settings) -> None:
    """They are written for every batch and only guard against a note that comes late."""
    sqlite_store.begin_tries("persist", "t", [Range(0, 0, 9)], "good")
    sqlite_store.excuse_tries("persist", "t", [Range(0, 0, 9)], "good")
    sqlite_store.expire(int(time.time() * 1000) + DAY_MS // 12)
    with shell(sqlite_settings) as db:
        assert db.execute("SELECT count(*) FROM tries").fetchone() == (0,)


def test_calls_of_webhooks_go_after_their_days(sqlite_store: SQLiteStore) -> None:
    """Seven, if the settings do not say otherwise; endpoints stay."""
    now = int(time.time() * 1000)
    webhook, old = Webhook("w", "u", version=1), WebhookCall("w", "1", now - 7 * DAY_MS - 1, "e", "t")
    young = replace(old, call_id="2", at=now - 7 * DAY_MS + 60_000)
    assert sqlite_store.put_webhook(webhook)
    sqlite_store.log_webhook_calls([old, young, *(replace(old, call_id=f"0{number}") for number in range(600))])
    assert sqlite_store.expire(now).rows["webhook_calls"] == 601
    assert sqlite_store.webhook_calls("w", 9) == [young]
    assert sqlite_store.expire(now + 3650 * DAY_MS).rows["webhook_calls"] == 1
    assert sqlite_store.webhooks(9) == [webhook]
