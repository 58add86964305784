"""What only Cassandra can show: its node is killed or frozen while it is written to; one node of three dies."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from chat4all.model.deliveries import DeliveryKey, Facts, Lane
from chat4all.model.failures import Failure, Temporary
from chat4all.ports import Lease, Registration
from chat4all.settings import Settings
from ops.native.cassandra import Cassandra, cluster, start_cluster
from storage.message_store.cassandra import CassandraStore
from tests.contracts.cassandra_server import cassandra_settings
from tests.contracts.logs import wait_until
from tests.contracts.stores import delivery, fresh, message
from tests.ops.real import home_with

pytestmark = [pytest.mark.real, pytest.mark.timeout(420)]

# A request may take 5 s, and one that waits for room twice that.
LONGEST_S = 25.0


@pytest.fixture
def store(cassandra_server: Cassandra, tmp_path: Path) -> Iterator[CassandraStore]:
    """The store on the shared node."""
    assert cassandra_server.is_running
    with closing(CassandraStore(cassandra_settings(tmp_path))) as opened:
        opened.migrate()
        yield opened


class Writers:
    """Threads that write numbered messages, each with its delivery, until told to stop, and note what was acknowledged."""

    def __init__(self, store: CassandraStore, count: int = 4) -> None:
        self.store = store
        self.names = [fresh("n") for _ in range(count)]
        self.acknowledged: list[list[int]] = [[] for _ in range(count)]
        self.refused, self.longest_s = 0, 0.0
        self._stop = Event()
        self._pool = ThreadPoolExecutor(count)
        self._work = [self._pool.submit(self._write, writer) for writer in range(count)]

    def _write(self, writer: int) -> None:
        name, seq = self.names[writer], 0
        while not self._stop.is_set():
            seq += 1
            began = time.monotonic()
            try:
                self._once(name, seq)
            except Temporary:
                self.refused += 1
            else:
                self.acknowledged[writer].append(seq)
            self.longest_s = max(self.longest_s, time.monotonic() - began)

    def _once(self, name: str, seq: int) -> None:
        said, key = message(name, seq), DeliveryKey(Lane(name, 0), seq, 0)
        self.store.register([Registration(name, f"{name}-{seq}", seq, "d")])
        self.store.put_messages([said])
        self.store.put_deliveries([delivery(key)])
        self.store.record({key: Facts(sent_at=seq, provider_id=f"p{seq}")})
        self.store.raise_fanned({key.lane: seq})

    @property
    def total(self) -> int:
        """Messages acknowledged so far."""
        return sum(map(len, self.acknowledged))

    def stop(self) -> None:
        """End the threads; what one raised is raised here."""
        self._stop.set()
        self._pool.shutdown()
        for each in self._work:
            each.result()

    def check(self) -> None:
        """Everything acknowledged is there, whole; positions are no lower."""
        for name, seqs in zip(self.names, self.acknowledged, strict=True):
            assert len(self.store.messages([(name, seq) for seq in seqs])) == len(seqs)
            assert len(self.store.registered([(name, f"{name}-{seq}") for seq in seqs])) == len(seqs)
            rows = self.store.lane_rows(Lane(name, 0), (0, 0), 2**40, 10**6)
            sent = {row.key.seq for row in rows if row.facts.provider_id == f"p{row.key.seq}"}
            assert set(seqs) <= sent
            assert self.store.lanes([Lane(name, 0)])[Lane(name, 0)].fanned >= max(seqs, default=0)


def answers(store: CassandraStore) -> bool:
    """Whether the store works."""
    try:
        store.users([fresh("u")])
    except Failure:
        return False
    return True


def test_a_node_killed_under_load(store: CassandraStore, cassandra_server: Cassandra) -> None:
    """kill -9 and restart between acknowledgements: nothing acknowledged is lost, and the same store works on."""
    writers = Writers(store)
    try:
        wait_until(lambda: writers.total > 200)
        cassandra_server.kill9()
        wait_until(lambda: writers.refused > 0)
        before = writers.total
        cassandra_server.start()
        wait_until(lambda: writers.total > before + 200)
    finally:
        writers.stop()
    writers.check()


def test_a_frozen_node(store: CassandraStore, cassandra_server: Cassandra) -> None:
    """A node that answers nothing makes calls end in time, as Temporary; when it goes on, so does everything."""
    writers = Writers(store)
    try:
        wait_until(lambda: writers.total > 100)
        cassandra_server.pause()
        wait_until(lambda: writers.refused >= 4)
        cassandra_server.resume()
        before = writers.total
        wait_until(lambda: writers.total > before + 100)
    finally:
        cassandra_server.resume()
        writers.stop()
    assert writers.longest_s < LONGEST_S
    writers.check()


def test_a_store_that_is_away(store: CassandraStore, cassandra_server: Cassandra, tmp_path: Path) -> None:
    """Everything is Temporary, also for who opens the store only then; afterwards the same objects work."""
    here = Lane(fresh("ch"), 0)
    with closing(CassandraStore(cassandra_settings(tmp_path))) as late:
        cassandra_server.kill9()
        for ask in (
            store.lanes,
            late.check,
            late.migrate,
            lambda: store.swap_lease(here, Lease(), Lease("me", 1, 0)),
            lambda: store.raise_fanned({here: 1}),
        ):
            with pytest.raises(Temporary):
                ask()
        cassandra_server.start()
        wait_until(lambda: answers(store) and answers(late))
        assert late.swap_lease(here, store.lanes([here])[here].lease, Lease("me", 9, 0))


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Cassandra]]:
    """Three nodes that form one cluster."""
    started = cluster(home_with(Cassandra), tmp_path_factory.mktemp("cluster"))
    start_cluster(started)
    yield started
    for each in started:
        each.kill9()


def test_three_nodes_survive_the_death_of_one(nodes: list[Cassandra], tmp_path: Path) -> None:
    """With three copies a node is killed and left dead under load: every writer goes on, leases too, and nothing is lost."""
    hosts = ",".join(each.address for each in nodes)
    settings = Settings(data=tmp_path, store=f"cassandra://{hosts}/three?replication=3")
    here, lease = Lane("w", 0), Lease("me", 1, 0)
    with closing(CassandraStore(settings)) as store:
        wait_until(lambda: len(store._db.cluster.metadata.all_hosts()) == len(nodes))
        store.migrate()
        assert store.swap_lease(here, Lease(), lease)
        writers = Writers(store)
        try:
            wait_until(lambda: writers.total > 100)
            nodes[0].kill9()
            before = [len(each) for each in writers.acknowledged]
            wait_until(lambda: all(len(now) > then + 3 for now, then in zip(writers.acknowledged, before, strict=True)))
            wait_until(lambda: writers.total > sum(before) + 200)
            assert store.swap_lease(here, lease, Lease("me", 1, 1))
        finally:
            writers.stop()
        writers.check()
