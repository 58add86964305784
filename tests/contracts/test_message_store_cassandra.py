"""What only Cassandra has: its promises by URL, migrations, swaps without an answer, clocks that differ, buckets."""

import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from chat4all.model.deliveries import DeliveryKey, Facts, Lane
from chat4all.model.failures import Mismatch, Temporary
from chat4all.model.records import ProviderReceipt
from chat4all.ports import Handle, Lease, Waiting, stamps_of
from chat4all.settings import Settings, SettingsError
from ops.native.cassandra import Cassandra
from storage.message_store import cassandra_deliveries, cassandra_history, cassandra_parking, cassandra_schema
from storage.message_store.cassandra import CassandraStore
from storage.message_store.cassandra_cluster import Undecided, check_copies, parse
from storage.message_store.cassandra_rows import TOP
from storage.message_store.cassandra_schema import Migration, migrate, migrations
from storage.message_store.cassandra_session import Call, Clock, Session
from tests.contracts.cassandra_server import KEYSPACE, cassandra_settings
from tests.contracts.stores import delivery, fresh, group, lane, message, person

ROOT = Path(__file__).parents[2]
FOLDER = Path(cassandra_schema.__file__).parent
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    "url",
    [
        "cassandra://",
        "cassandra://host",
        "cassandra://host/Key-Space",
        "cassandra://host:port/k",
        "cassandra://user:secret@host/k",
        "cassandra://host/k?replicas=3",
        "cassandra://host/k?replication=three",
        "cassandra://host/k?consistency=SOME",
        "cassandra://host/k?replication=3&consistency=ONE",
        "cassandra://host/k?replication=3&consistency=local_one",
        "cassandra://host/k?replication=5&consistency=TWO",
    ],
)
def test_urls_that_name_nothing_safe_are_refused(url: str) -> None:
    """Unknown options, and levels at which a read may miss a write (R + W <= N), without saying what the URL held."""
    with pytest.raises(SettingsError) as refused:
        parse(url)
    assert "secret" not in str(refused.value)


def test_a_ca_that_is_none_is_named(tmp_path: Path) -> None:
    """The process does not start, and says which file it was; it does not go on in the clear."""
    empty = tmp_path / "ca.pem"
    empty.touch()
    for each in (empty, tmp_path / "absent.pem"):
        with pytest.raises(SettingsError, match=each.name):
            Session(parse(f"cassandra://host/k?ca={each}"))


def test_each_statement_of_a_migration_names_our_keyspace() -> None:
    """The connection has none of its own."""
    session = Session(parse("cassandra://host/ours"))
    for each in migrations():
        for statement in each.statements():
            assert " ours." in session.named(statement), (each.name, statement)


def test_urls_are_understood() -> None:
    """Several hosts, ports, and everything that may be chosen."""
    place = parse("cassandra://a,b:9999/chat?replication=3&consistency=quorum&datacenter=dc1")
    assert (place.hosts, place.keyspace, place.replication) == ((("a", 9042), ("b", 9999)), "chat", 3)
    assert (place.consistency, place.datacenter) == ("QUORUM", "dc1")
    assert parse("scylla://a/chat").consistency == "LOCAL_QUORUM"


@pytest.mark.parametrize(
    ("url", "replication", "copies"),
    [
        ("cassandra://a/k", {"dc1": "3"}, 3),
        ("cassandra://a/k?datacenter=dc2", {"dc1": "3", "dc2": "5"}, 5),
        ("cassandra://a/k?consistency=QUORUM", {"dc1": "3", "dc2": "3"}, 6),
        ("cassandra://a/k?consistency=ONE", {"replication_factor": "1"}, 1),
        ("cassandra://a/k", {"dc1": "3", "dc2": "3"}, None),
        ("cassandra://a/k?replication=3", {"dc1": "1"}, None),
        ("cassandra://a/k?consistency=ONE", {"dc1": "3"}, None),
        ("cassandra://a/k?consistency=TWO", {"dc1": "2", "dc2": "2"}, None),
    ],
)
def test_the_copies_that_are_there_must_be_safe_too(url: str, replication: dict[str, str], copies: int | None) -> None:
    """What the URL does not say is asked of the keyspace: too many copies for the level, or two datacenters, are refused."""
    kept = {"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", **replication}
    if copies is not None:
        assert check_copies(parse(url), kept) == copies
    else:
        with pytest.raises(Mismatch):
            check_copies(parse(url), kept)


def test_no_statement_scans() -> None:
    """No secondary index, no ALLOW FILTERING, and no table is asked without its key."""
    for path in [*FOLDER.glob("cassandra*.py"), *FOLDER.glob("cassandra_migrations/*.cql")]:
        text = re.sub(r'"\s*\n\s*f?"', "", path.read_text())
        assert "ALLOW FILTERING" not in text.upper(), path
        assert not re.search(r"CREATE\s+(CUSTOM\s+)?INDEX|MATERIALIZED", text, re.I), path
        for statement in re.findall(r'"(SELECT [^"]*)"', text):
            assert " WHERE " in statement or statement.startswith("SELECT {"), statement


def test_timestamps_of_our_own_are_never_in_the_servers_future() -> None:
    """ScyllaDB refuses writes from more than three days ahead."""
    assert time.time_ns() // 1000 > TOP


def test_a_clock_goes_on_after_what_it_has_seen() -> None:
    """Times are unique and grow, also beyond those of a machine whose clock is ahead."""
    clock = Clock()
    times = [clock() for _ in range(1000)]
    assert times == sorted(set(times))
    clock.saw(times[-1] + 10**12)
    assert clock() == times[-1] + 10**12 + 1


# From here on with a server.


@pytest.fixture
def settings(cassandra_server: Cassandra, tmp_path: Path) -> Settings:
    """The keyspace that the store's suite uses."""
    assert cassandra_server.is_running
    return cassandra_settings(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Iterator[CassandraStore]:
    """The store, ready to use."""
    with closing(CassandraStore(settings)) as opened:
        opened.migrate()
        yield opened


@pytest.fixture
def another(store: CassandraStore, settings: Settings) -> Iterator[CassandraStore]:
    """The store as another process has it open."""
    with closing(CassandraStore(settings)) as opened:
        yield opened


@pytest.fixture
def empty(settings: Settings) -> Iterator[Callable[[], Session]]:
    """Sessions on a keyspace that does not exist yet."""
    url = settings.store.replace(KEYSPACE, f"empty_{uuid4().hex[:8]}")
    opened: list[Session] = []

    def begin() -> Session:
        opened.append(Session(parse(url)))
        return opened[-1]

    yield begin
    opened[0].plain(f"DROP KEYSPACE IF EXISTS {opened[0].place.keyspace}", checked=False)
    for each in opened:
        each.close()


def steps(*names: str) -> list[Migration]:
    """Migrations that each make a table."""
    return [
        Migration(at, f"{at:04}_{name}", f"-- a table;\nCREATE TABLE {name} (k int PRIMARY KEY);\n")
        for at, name in enumerate(names, 1)
    ]


@pytest.mark.real
def test_processes_that_migrate_at_once_run_each_step_once(empty: Callable[[], Session]) -> None:
    """CREATE TABLE without IF NOT EXISTS would fail in whoever came second."""
    sessions = [empty() for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda each: migrate(each, steps("one")), sessions))
    migrate(sessions[0], steps("one", "two"))
    assert sorted(cassandra_schema.applied(sessions[1])) == [1, 2]
    assert sessions[2].rows("SELECT k FROM two WHERE k = ?", 1) == []
    with pytest.raises(Mismatch, match="older"):
        migrate(sessions[1], steps("one"))
    with pytest.raises(Mismatch, match="other contents"):
        migrate(sessions[1], steps("one", "three"))


@pytest.mark.real
def test_a_store_that_nobody_migrated_says_so(empty: Callable[[], Session]) -> None:
    """A missing keyspace is no outage."""
    with pytest.raises(Mismatch, match="migrated"):
        empty().rows("SELECT body FROM users WHERE user_id = ?", "anna")


def test_migrations_are_numbered_without_gaps() -> None:
    """A server is not needed to see that."""
    numbers = [each.number for each in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.real
def test_migrations_are_the_ones_that_were_applied(store: CassandraStore) -> None:
    """All files; migrating again does nothing."""
    store.migrate()
    known = migrations()
    assert cassandra_schema.applied(store._db) == {each.number: (each.name, each.checksum) for each in known}


@pytest.mark.real
def test_another_replication_is_refused(store: CassandraStore, settings: Settings) -> None:
    """The keyspace has one copy; who counts on three must not start."""
    assert store.check()
    three = settings.model_copy(update={"store": settings.store.replace("replication=1", "replication=3")})
    with closing(CassandraStore(three)) as opened, pytest.raises(Mismatch, match="1 copies, not 3"):
        opened.check()


@pytest.mark.real
@pytest.mark.parametrize(("happened", "then", "told"), [(True, False, True), (True, True, False), (False, False, None)])
def test_a_swap_without_an_answer_is_looked_up(
    store: CassandraStore,
    another: CassandraStore,
    monkeypatch: pytest.MonkeyPatch,
    happened: bool,
    then: bool,
    told: bool | None,
) -> None:
    """It was ours, or somebody else's after it; while nothing shows it may happen yet, and is Temporary."""
    here, mine = lane(), Lease("me", 1, 0)

    def silent(_session: Session, _calls: object) -> list[tuple[bool]]:
        monkeypatch.undo()
        if happened:
            assert another.swap_lease(here, Lease(), mine)
        if then:
            assert another.swap_lease(here, mine, Lease("you", 2, 0))
        raise Undecided("store", "timeout")

    monkeypatch.setattr(Session, "decide", silent)
    if told is None:
        with pytest.raises(Temporary):
            store.swap_lease(here, Lease(), mine)
    else:
        assert store.swap_lease(here, Lease(), mine) is told


@pytest.mark.real
def test_a_lane_is_known_from_its_first_lease_on(store: CassandraStore) -> None:
    """Also when no position was ever written."""
    here = lane()
    assert store.swap_lease(here, Lease(), Lease("me", 1, 0))
    assert store.lanes()[here].lease == Lease("me", 1, 0)


@pytest.mark.real
def test_a_new_holder_with_a_slow_clock_is_heard(store: CassandraStore, another: CassandraStore) -> None:
    """Who takes a lane speaks after all that was said before, whatever the clocks say; a key that went on may wait again."""
    here, now = lane(), time.time_ns() // 1_000_000
    fast = Lease().taken_by("fast", now + 3_600_000)
    said, heard = stamps_of(fast.fence), stamps_of(fast.taken_by("slow", now).fence)
    first, second = Waiting(here, "c", "1", 5, 0, 100, 1, said[0]), Waiting(here, "c", "2", 6, 0, 100, 1, said[1])
    another.record({}, waiting=[first, second])
    another.record({}, resumed=[replace(first, stamp=said[2])])
    assert store.waiting(here) == [second]
    again = Waiting(here, "c", "1", 9, 0, 300, 2, heard[0])
    store.record({}, waiting=[again], resumed=[replace(second, stamp=heard[1])])
    assert store.waiting(here) == [again]


@pytest.mark.real
def test_a_lane_is_not_taken_for_quiet_while_its_keys_are_being_written(
    store: CassandraStore, another: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes of one partition reach it in any order: who looks in between looks again when all are there."""
    here, put = lane(), Session.put
    first = Waiting(here, "c", "0", 5, 0, 900, 1, 1)
    another.record({}, waiting=[first])
    assert store.due([here], 100) == []
    told: list[list[Lane]] = []

    def looked_at(session: Session, puts: object) -> None:
        given = list(puts)  # type: ignore[call-overload]
        for start in reversed(range(0, len(given), 50)):
            put(session, given[start : start + 50])
            told.append(store.due([here], 100))

    monkeypatch.setattr(Session, "put", looked_at)
    another.record({}, waiting=[Waiting(here, "c", str(n), 5 + n, 0, 50 if n == 20 else 900, 1, 2) for n in range(1, 200)])
    assert told[0] == []
    assert store.due([here], 100) == [here]


@pytest.mark.real
def test_every_sign_of_life_is_new_also_from_a_slow_clock(store: CassandraStore, another: CassandraStore) -> None:
    """A worker that takes a batch over has read the other's progress before."""
    topic = fresh("t")
    another._db.clock.saw(time.time_ns() // 1000 + 3_600_000_000)
    another.raise_progress(topic, {0: 5})
    before = store.progress(topic)[0]
    store.beat(topic, [0])
    assert store.progress(topic)[0].beat > before.beat


@pytest.mark.real
def test_what_is_due_is_read_again_when_others_change_it(store: CassandraStore, another: CassandraStore) -> None:
    """The remembered answer holds only as long as nothing of the lane has changed."""
    here = lane()
    late, soon = Waiting(here, "c", "1", 5, 0, 900, 1, 1), Waiting(here, "c", "2", 6, 0, 50, 1, 2)
    another.record({}, waiting=[late])
    assert store.due([here], 100) == []
    another.record({}, waiting=[soon])
    assert store.due([here], 100) == [here]
    another.record({}, resumed=[replace(soon, stamp=3)])
    assert store.due([here], 100) == []
    assert store.due([here], 900) == [here]


@pytest.mark.real
def test_nobody_sees_a_message_before_those_that_come_before_it(
    store: CassandraStore, another: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many of a conversation are written at once, over buckets too: whoever looks in between sees a beginning."""
    talk, end = fresh("c"), 1 << cassandra_history.BUCKET_BITS
    said = [message(talk, seq) for seq in range(end - 130, end + 70)]
    seen: list[list[int]] = []
    write = Session._write

    def looked_at(session: Session, batches: list[list[Call]]) -> None:
        for each in reversed(batches):
            write(session, [each])
            seen.append([each.seq for each in another.page(talk, 0, None, 300)])

    monkeypatch.setattr(Session, "_write", looked_at)
    store.put_messages([*reversed(said), message(fresh("c"), 5)])
    assert seen[-1] == [each.seq for each in said]
    assert all(each == seen[-1][: len(each)] for each in seen)
    assert len({len(each) for each in seen}) > 4


@pytest.mark.real
def test_a_day_of_attempts_leaves_a_row_as_small_as_a_few_do(store: CassandraStore, another: CassandraStore) -> None:
    """A provider that asks to wait a second each time: what is kept of the row does not grow, and no count is lost."""
    key = DeliveryKey(lane(), 5, 0)
    store.put_deliveries([delivery(key)])
    sizes = []
    for number in range(1, 60):
        store.record({key: Facts(attempts=number, attempted_at=1_796_000_000_000 + number, resends=number // 9)})
        another.record({key: Facts(refusals=number)})
        store.record({key: Facts(attempts=number - 1, attempted_at=7)})
        kept = store.deliveries([key])[key].facts
        assert (kept.attempts, kept.refusals, kept.resends) == (number, number, number // 9)
        assert kept.attempted_at == 1_796_000_000_000 + number
        [(_, seen)] = store._db.rows(
            cassandra_deliveries.BY_KEY, key.lane.channel, key.lane.partition, 0, [(key.seq, key.index)]
        )
        sizes.append(len(seen))
    assert sizes[-1] == sizes[20] <= 40
    assert store.lane_rows(key.lane, (0, 0), 9, 9)[0].facts == kept
    store.record({key: Facts(sent_at=5, provider_id="p")})
    assert store.deliveries([key])[key].facts == kept.merged(Facts(sent_at=5, provider_id="p"))


@pytest.mark.real
def test_a_quiet_lane_is_read_without_walking_through_all_buckets(
    store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of the same lane that lie far apart cost a request for each bucket that has some, and one to know them."""
    here, size = lane(), 1 << cassandra_deliveries.BUCKET_BITS
    keys = [DeliveryKey(here, seq, 0) for seq in (1, size - 1, size, 5_000_000 * size, 5_000_000 * size + 1)]
    store.put_deliveries([delivery(key) for key in keys])
    asked: list[str] = []
    rows = Session.rows
    monkeypatch.setattr(Session, "rows", lambda self, cql, *values: asked.append(cql) or rows(self, cql, *values))  # type: ignore[func-returns-value]
    assert [row.key for row in store.lane_rows(here, (0, 0), 2**50, 100)] == keys
    assert len(asked) == 4
    assert [row.key for row in store.lane_rows(here, (size, 0), 2**50, 1)] == keys[3:4]


@pytest.mark.real
def test_facts_without_a_row_are_no_delivery(store: CassandraStore) -> None:
    """A receipt for a row that has expired brings nothing back but what was seen."""
    key = DeliveryKey(lane(), 5, 0)
    store.record({key: Facts(read_at=5)})
    assert store.deliveries([key]) == {}
    assert store.lane_rows(key.lane, (0, 0), 10, 10) == []


@pytest.mark.real
def test_a_quiet_conversation_is_paged_over_all_its_buckets(store: CassandraStore, another: CassandraStore) -> None:
    """Each message in a bucket of its own, in both directions; a bucket whose message never came hides nothing."""
    conversation, size = fresh("c"), 1 << cassandra_history.BUCKET_BITS
    said = [message(conversation, at * size + 3) for at in range(12)]
    store.put_messages(said)
    store._db.rows(cassandra_history.PUT_BUCKET, conversation, 99, 0)
    assert another.page(conversation, None, None, 5) == said[-5:]
    assert another.page(conversation, said[1].seq, None, 4) == said[2:6]
    assert another.page(conversation, said[1].seq, said[5].seq, 100) == said[2:5]
    assert another.page(conversation, None, said[5].seq, 2) == said[3:5]
    assert another.last_seqs([conversation]) == {conversation: said[-1].seq}


@pytest.mark.real
def test_a_founding_that_died_half_way_names_no_members(store: CassandraStore) -> None:
    """Users are listed before the conversation exists; such a listing counts once the conversation says the same."""
    anna, conversation = fresh("u"), group(fresh("c"))
    key = conversation.conversation_id
    for user in (anna, "ghost"):
        store._db.rows("INSERT INTO conversations_of_user (user_id, conversation_id) VALUES (?, ?)", user + key, key)
    assert store.conversations_of(anna + key) == []
    store.add_conversations([(conversation, [anna + key])])
    store._db.rows("UPDATE conversations_of_user SET certain = null WHERE user_id = ? AND conversation_id = ?", anna + key, key)
    assert store.conversations_of(anna + key) == [key]
    assert store.conversations_of("ghost" + key) == []


@pytest.mark.real
def test_receipts_that_nobody_claimed_are_told_once(store: CassandraStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three days after they were parked; those whose delivery is known are not among them."""
    channel, later = fresh("ch"), int(time.time() * 1000) + cassandra_parking.TOLD_AFTER_MS + 2 * cassandra_parking.MINUTE_MS
    claimed, lost = (ProviderReceipt(channel, "a", name, "sent", 5) for name in ("claimed", "lost"))
    store.park([claimed, lost])
    store.record({}, [Handle(channel, "a", "claimed", DeliveryKey(Lane(channel, 0), 5, 0))])
    assert [each for each in store.expire(int(time.time() * 1000)).receipts if each.channel == channel] == []
    assert [each for each in store.expire(later).receipts if each.channel == channel] == [lost]
    assert [each for each in store.expire(later).receipts if each.channel == channel] == []


def _in_child(store: CassandraStore, name: str) -> None:
    store.add_users([person(name)])
    store.close()


@pytest.mark.real
def test_a_forked_process_connects_by_itself(store: CassandraStore) -> None:
    """Connections are not carried over a fork; parent and child both work on."""
    name = fresh("u")
    store.add_users([person(fresh("u"))])
    child = multiprocessing.get_context("fork").Process(target=_in_child, args=(store, name))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert list(store.users([name])) == [name]


WORK_AND_END = """
import logging
from chat4all.settings import load
from storage.open import open_store
logging.basicConfig()
store = open_store(load())
store.users(["nobody"])
store.close()
"""


@pytest.mark.real
def test_a_process_does_not_wait_for_the_driver_at_its_end(store: CassandraStore, settings: Settings) -> None:
    """The driver's thread ends when the store was closed; left to the driver it often does not, and that says so after 5 s."""
    env = {**os.environ, "CHAT4ALL_DATA": str(settings.data), "CHAT4ALL_STORE": settings.store}
    command = [sys.executable, "-c", WORK_AND_END]
    for _ in range(3):
        ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
