"""What is particular to the embedded log. What every log does is in tests/contracts/test_event_log*.py."""

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chat4all.model.failures import Failure, Mismatch, RangeLost, Temporary, Unknown
from chat4all.model.records import NewRecord, Range, Record
from chat4all.settings import Settings
from storage.event_log import sqlite_files
from storage.event_log.sqlite import SQLiteLog
from storage.event_log.sqlite_changes import Changes, changes_of
from storage.event_log.sqlite_consumer import QUIET_AFTER_S, QUIET_LOOK_S, Follower
from storage.event_log.sqlite_groups import balance
from storage.event_log.sqlite_times import Times
from storage.event_log.sqlite_trim import RECORDS_AT_ONCE
from storage.event_log.sqlite_writer import PENDING_BYTES
from tests.contracts.logs import ROOT, Reader, poll_until, record, texts, wait_until

TOPIC = "t"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SQLiteLog]:
    """An open log with a topic of two partitions."""
    opened = SQLiteLog(Settings(data=tmp_path))
    opened.create({TOPIC: 2})
    yield opened
    opened.close()


@pytest.fixture
def path(log: SQLiteLog, tmp_path: Path) -> Path:
    """The topic's file."""
    return tmp_path / "log" / f"{TOPIC}.topic"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[SQLiteLog, list[Callable[[sqlite3.Connection], object]]]]:
    """The same, and what is done with each connection that it writes with before it is used."""
    steps: list[Callable[[sqlite3.Connection], object]] = []

    def connects(path: Path) -> sqlite_files.Connection:
        connection = sqlite_files.connect(path)
        for each in steps:
            each(connection)
        return connection

    opened = SQLiteLog(Settings(data=tmp_path), connects=connects)
    opened.create({TOPIC: 2})
    yield opened, steps
    opened.close()


Watched = tuple[SQLiteLog, list[Callable[[sqlite3.Connection], object]]]


def at_each_record(act: Callable[[], bool | None]) -> Callable[[sqlite3.Connection], object]:
    """Have this done whenever a connection has written a record, within its transaction."""

    def prepare(connection: sqlite3.Connection) -> None:
        connection.create_function("act", 0, act)
        connection.execute("CREATE TEMP TRIGGER acting AFTER INSERT ON records BEGIN SELECT act(); END")

    return prepare


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock, as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


def put(log: SQLiteLog, *names: str, partition: int = 0, timeout_s: float = 5.0) -> list[int]:
    """Append these."""
    return log.append([record(TOPIC, partition, each) for each in names], timeout_s)


def all_of(log: SQLiteLog, partition: int = 0) -> list[str]:
    """Everything in a partition."""
    first, upcoming = log.ends(TOPIC)[partition]
    return texts(log.read(TOPIC, [Range(partition, first, upcoming - 1)], 5.0))


def test_opening_touches_nothing(tmp_path: Path) -> None:
    """A log that was only constructed has no files, connections or threads: a process may still fork."""
    before = threading.active_count()
    SQLiteLog(Settings(data=tmp_path / "data"))
    assert not (tmp_path / "data").exists()
    assert threading.active_count() == before


def test_a_held_lock_ends_in_time(log: SQLiteLog, path: Path) -> None:
    """While somebody holds the write lock, append gives up in time and takes its records back for certain."""
    put(log, "before")
    with locked(path), pytest.raises(Temporary, match="log_busy"):
        put(log, "never", timeout_s=0.2)
    put(log, "after")
    assert all_of(log) == ["before", "after"]


def test_reading_does_not_wait_for_writers(log: SQLiteLog, path: Path) -> None:
    """The write lock keeps no reader and no group member waiting."""
    put(log, "a")
    with locked(path), closing((reader := Reader(log, TOPIC, "g", {0: 0, 1: 0})).consumer):
        poll_until([reader], lambda: reader.found)
        assert all_of(log) == ["a"]


def test_a_commit_that_takes_too_long_is_unknown(watched: Watched) -> None:
    """Once records are being written nobody knows: they may come into the log later, and here they do."""
    log, steps = watched
    go_on = threading.Event()
    go_on.set()
    steps.append(at_each_record(lambda: go_on.wait(30)))
    put(log, "first")
    go_on.clear()
    with pytest.raises(Unknown, match="log_timeout"):
        put(log, "late", timeout_s=0.1)
    go_on.set()
    put(log, "next")
    assert all_of(log) == ["first", "late", "next"]


def test_a_full_disk_is_temporary(watched: Watched) -> None:
    """Without room nothing is written, callers are told so for certain, and the writer works again once there is room."""
    log, steps = watched
    room = [8]
    steps.append(lambda connection: connection.execute(f"PRAGMA max_page_count={room[0]}"))
    put(log, "before")
    with pytest.raises(Temporary, match="full"):
        put(log, "x" * 100_000)
    room[0] = 1_000_000
    put(log, "after")
    assert all_of(log) == ["before", "after"]


def test_trouble_with_one_batch_is_told_to_its_callers(watched: Watched) -> None:
    """Whatever goes wrong while writing, callers hear of it, nothing is half written, and the thread lives on."""
    log, steps = watched

    def broken() -> None:
        raise OSError

    steps.append(at_each_record(broken))
    with pytest.raises(Temporary, match="exception"):
        put(log, "lost")
    steps.clear()
    put(log, "kept")
    assert all_of(log) == ["kept"]


def test_the_queue_is_bounded(log: SQLiteLog, path: Path) -> None:
    """When too much waits, append says so at once instead of waiting too; what was withdrawn no longer counts."""
    put(log, "before")
    most = PENDING_BYTES * 7 // 10
    with locked(path), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(put, log, "x" * most, timeout_s=1.0)
        wait_until(lambda: log._writers[TOPIC]._pending)
        with pytest.raises(Temporary, match="log_full"):
            put(log, "y" * most, timeout_s=30.0)
        assert isinstance(waiting.exception(), Temporary)
    put(log, "y" * most)


def test_a_key_that_is_no_text_troubles_nobody_else(log: SQLiteLog) -> None:
    """Who hands in what cannot be stored is told before it is queued."""
    with pytest.raises(ValueError, match="surrogates"):
        log.append([NewRecord(TOPIC, 0, "\ud800", b"")], 5.0)
    assert put(log, "fine") == [0]


def test_topics_do_not_wait_for_each_other(log: SQLiteLog, path: Path) -> None:
    """A topic whose file is locked keeps no other topic waiting; a call for both is not half certain."""
    log.create({"u": 1})
    with locked(path):
        assert log.append([record("u", 0, "a")], 5.0) == [0]
        with pytest.raises(Failure) as caught:
            log.append([record("u", 0, "b"), record(TOPIC, 0, "b")], 0.2)
    assert isinstance(caught.value, Unknown)


def test_a_broken_file_is_temporary(log: SQLiteLog, path: Path, tmp_path: Path) -> None:
    """A file that cannot be read raises the kind that is tried again, wherever it is met."""
    log.close()
    path.write_bytes(b"no database" * 1000)
    with closing(SQLiteLog(Settings(data=tmp_path))) as again:
        for use in (again.check, lambda: again.topic(TOPIC), lambda: put(again, "a"), lambda: again.ends(TOPIC)):
            with pytest.raises(Temporary, match="log_unavailable"):
                use()


def test_check_without_a_folder_is_temporary(tmp_path: Path) -> None:
    """A log whose folder is not there does not answer."""
    with closing(SQLiteLog(Settings(data=tmp_path / "nowhere"))) as log, pytest.raises(Temporary):
        log.check()


def test_topic_names_stay_inside_the_folder(log: SQLiteLog) -> None:
    """A name cannot lead to another folder."""
    with pytest.raises(Mismatch):
        log.create({"../t": 1})


def test_a_new_topic_in_its_place_has_another_identity(log: SQLiteLog, tmp_path: Path) -> None:
    """A wiped log is another log."""
    before = log.topic(TOPIC)
    log.close()
    shutil.rmtree(tmp_path / "log")
    with closing(SQLiteLog(Settings(data=tmp_path))) as again:
        again.create({TOPIC: 2})
        assert again.topic(TOPIC).identity != before.identity


def test_nothing_is_appended_after_close(log: SQLiteLog) -> None:
    """A closed log refuses, for certain."""
    log.close()
    with pytest.raises(Temporary):
        put(log, "late")


def test_trim_forgets_the_oldest(log: SQLiteLog) -> None:
    """Records before the time are gone, a few at a time; reading them is RangeLost for ranges and for consumers."""
    old = 2 * RECORDS_AT_ONCE + 2
    put(log, *map(str, range(old)))
    put(log, "other", partition=1)
    time.sleep(0.005)
    now = int(time.time() * 1000)
    time.sleep(0.005)
    put(log, "new")
    log.trim(TOPIC, now)
    assert log.ends(TOPIC) == {0: (old, old + 1), 1: (1, 1)}
    assert all_of(log) == ["new"]
    for each in (Range(0, old - 1, old), Range(0, 0, 0), Range(1, 0, 0)):
        with pytest.raises(RangeLost):
            log.read(TOPIC, [each], 5.0)
    with closing(log.follow(TOPIC, {0: old - 1})) as follower, pytest.raises(RangeLost):
        follower.poll(1, 0.0)


def test_offsets_never_restart(log: SQLiteLog, tmp_path: Path) -> None:
    """A log that was trimmed to nothing and opened again goes on where it was."""
    assert put(log, *"abc") == [0, 1, 2]
    log.trim(TOPIC, int(time.time() * 1000) + 1000)
    log.close()
    with closing(SQLiteLog(Settings(data=tmp_path))) as again:
        assert again.ends(TOPIC)[0] == (3, 3)
        assert put(again, "d") == [3]


def test_times_never_run_backwards(log: SQLiteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the clock is set back, later records do not look older: trimming by time takes from the front only."""
    put(log, "a")
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 1.0)
        put(log, "b")
    first, second = log.read(TOPIC, [Range(0, 0, 1)], 5.0)
    assert second.at >= first.at > 1_000_000


def test_following_past_the_end_is_an_error(log: SQLiteLog) -> None:
    """A position that the log never reached means that it is not the log it was."""
    with closing(log.follow(TOPIC, {0: 5})) as follower, pytest.raises(RangeLost):
        follower.poll(1, 0.0)


def test_a_callback_that_fails_is_called_again(log: SQLiteLog) -> None:
    """`assigned` may meet an outage: the next poll asks it again, and nothing is lost."""
    put(log, "a")
    asked: list[int] = []

    def assigned(partitions: Sequence[int]) -> dict[int, int]:
        asked.extend(partitions)
        if len(asked) <= 2:
            raise Temporary("store_unavailable")
        return dict.fromkeys(partitions, 0)

    with closing(log.consume(TOPIC, "g", assigned, lambda _: None)) as consumer:
        with pytest.raises(Temporary):
            consumer.poll(10, 0.1)
        assert texts(consumer.poll(10, 5.0)) == ["a"]
    assert asked == [0, 1, 0, 1]


def test_who_does_not_poll_is_replaced(tmp_path: Path) -> None:
    """A member whose thread is stuck stops beating; when it polls again it learns what it lost first."""
    log = SQLiteLog(Settings(data=tmp_path), Times(beat_s=0.1, silence_s=0.5, poll_limit_s=0.2))
    log.create({TOPIC: 2})
    stuck = Reader(log, TOPIC, "g", name="stuck")
    poll_until([stuck], lambda: stuck.owned == {0, 1})
    stuck.owned.clear()  # it holds nothing that others may not take
    other = Reader(log, TOPIC, "g")
    poll_until([other], lambda: other.owned == {0, 1})
    put(log, "a")
    assert not stuck.consumer.poll(10, 0.0)
    assert {each for what, _, each in stuck.journal if what == "revoked"} == {0, 1}
    for each in (stuck, other):
        each.consumer.close()
    log.close()


@pytest.mark.parametrize(
    ("current", "members", "expected"),
    [
        ({}, ["a"], {0: "a", 1: "a", 2: "a", 3: "a"}),
        ({}, ["a", "b"], {0: "a", 1: "a", 2: "b", 3: "b"}),
        ({0: "a", 1: "a", 2: "a", 3: "a"}, ["a", "b"], {0: "a", 1: "a", 2: "b", 3: "b"}),
        ({0: "b", 1: "a", 2: "b", 3: "a"}, ["a", "b"], {0: "b", 1: "a", 2: "b", 3: "a"}),
        ({0: "a", 1: "a", 2: "b", 3: "b"}, ["a", "b", "c"], {0: "a", 1: "a", 2: "b", 3: "c"}),
        ({0: "a", 1: "gone", 2: "b", 3: "gone"}, ["a", "b"], {0: "a", 1: "a", 2: "b", 3: "b"}),
        ({0: "a", 1: "b", 2: "c", 3: "d"}, ["a", "b", "c", "d", "e"], {0: "a", 1: "b", 2: "c", 3: "d"}),
    ],
)
def test_shares(current: dict[int, str], members: list[str], expected: dict[int, str]) -> None:
    """Shares are even, and no more partitions move than must."""
    assert balance(current, members, 4) == expected


FORK = """
import os, sys
from pathlib import Path
from chat4all.model.records import NewRecord
from chat4all.settings import Settings
from storage.event_log.sqlite import SQLiteLog
from storage.event_log.sqlite_changes import Changes, changes_of
from storage.event_log.sqlite_consumer import QUIET_AFTER_S, QUIET_LOOK_S, Follower
log = SQLiteLog(Settings(data=Path(sys.argv[1])))
new = [NewRecord("t", 0, "k", b"v")]
if sys.argv[2] == "used":
    log.append(new, 5.0)
child = os.fork()
if child == 0:
    try:
        log.append(new, 5.0)
        log.close()
        os._exit(0)
    except RuntimeError as error:
        os._exit(3 if "fork" in str(error) else 4)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
log.append(new, 5.0)
log.close()
"""


@pytest.mark.parametrize(("state", "outcome", "records"), [("fresh", "0", 2), ("used", "3", 2)])
def test_forks(log: SQLiteLog, tmp_path: Path, state: str, outcome: str, records: int) -> None:
    """A log may be forked before it is used. Afterwards the child is refused: its records could be lost. The parent goes on."""
    command = [sys.executable, "-c", FORK, str(tmp_path), state]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == outcome
    assert len(all_of(log)) == records


def test_what_is_written_is_heard_once(tmp_path: Path) -> None:
    """A write before the wait ends it at once, as one within it does; without one the time passes."""
    written = tmp_path / "file"
    written.touch()
    with closing(Changes(written)) as changes:
        assert not changes.wait(0.0)
        written.write_text("before")
        assert changes.wait(60.0)
        assert not changes.wait(0.01)
        threading.Timer(0.05, written.write_text, ["within"]).start()
        assert changes.wait(60.0)


def test_where_the_system_does_not_tell_nothing_is_heard(tmp_path: Path) -> None:
    """A file that is not there cannot be watched; readers then look by themselves."""
    assert changes_of(tmp_path / "absent") is None


class Counting(Follower):
    """Counts its looks."""

    looks = 0

    def _look(self, limit: int) -> list[Record]:
        self.looks += 1
        return super()._look(limit)


def test_a_quiet_reader_looks_seldom_and_finds_what_is_appended(log: SQLiteLog, path: Path) -> None:
    """Three seconds without traffic make few looks in the last of them; a record that comes then is given by the same poll."""
    file = sqlite_files.TopicFile(path.parent, TOPIC)
    with closing(Counting(file, {0: 0, 1: 0})) as reader:
        assert not reader.poll(10, QUIET_AFTER_S)
        reader.looks = 0
        assert not reader.poll(10, 2.0)
        assert reader.looks <= 2.0 / QUIET_LOOK_S + 3
        threading.Timer(0.2, log.append, [[record(TOPIC, 1, "new")], 5.0]).start()
        assert texts(reader.poll(10, 60.0)) == ["new"]
